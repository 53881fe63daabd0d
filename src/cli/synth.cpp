#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/progress.h"
#include "calibrate/recipe.h"
#include "cli/commands.h"
#include "cli/output_path.h"
#include "engine/vocabulary_loader.h"
#include "model/synthetic.h"

namespace nibble {

namespace {

struct SynthFlags {
  CommonOptions common;
  std::string shape, output, tokenizer;
  RecipeRequest request;
  uint64_t seed = 1;
  uint32_t layers = 0;
  bool pure = false, json = false;
};

/// Tokens for the model, which then takes text.
void add_tokenizer(const std::string& path, const ModelConfig& config, GgufMetadata& metadata) {
  Vocabulary vocabulary = open_vocabulary(path);
  if (vocabulary.tokens.size() > config.vocab) {
    throw_usage("--tokenizer {}: it has {} tokens, but the shape has room for {}: give that model's own",
                path, vocabulary.tokens.size(), config.vocab);
  }
  fill_up(vocabulary, config.vocab);
  write_vocabulary(vocabulary, metadata);
}

GgufMetadata metadata_of(const Recipe& recipe) {
  GgufMetadata metadata;
  if (const auto file_type = gguf_file_type(recipe)) metadata.set("general.file_type", *file_type);
  metadata.set("general.quantization_version", uint32_t(2));
  metadata.set("nibble.quantize.type", recipe.name);
  return metadata;
}

void run_synth(const SynthFlags& options) {
  Progress::set_quiet(options.common.quiet);
  check_output_path("-o", options.output, {});
  Recipe recipe = make_recipe(options.request);
  recipe.pure = options.pure;
  ModelConfig config = synthetic_shape(options.shape);
  if (options.layers > 0) config.n_layers = options.layers;
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto type_of = [&](const TensorView& tensor) { return recipe_choice(recipe, config, tensor).dtype; };
  GgufMetadata metadata = metadata_of(recipe);
  if (!options.tokenizer.empty()) add_tokenizer(options.tokenizer, config, metadata);
  write_synthetic(options.output, config, type_of, options.seed, std::move(metadata), pool);
  const uint64_t bytes = std::filesystem::file_size(options.output);
  if (options.json) {
    const nlohmann::ordered_json out = {{"output", options.output},
                                        {"shape", options.shape},
                                        {"type", recipe.name},
                                        {"layers", config.n_layers},
                                        {"file_bytes", bytes}};
    fmt::print("{}\n", out.dump());
  } else {
    fmt::print("{}: {} in {} layers of random {}, {:.1f} MB\n", options.output, options.shape,
               config.n_layers, recipe.name, double(bytes) / 1e6);
  }
}

}  // namespace

void add_synth(CLI::App& app) {
  auto options = std::make_shared<SynthFlags>();
  CLI::App* command =
      add_command(app, "synth", "Write random weights in the shape of a known model, for benchmarks",
                  options->common, [options] { run_synth(*options); });
  command
      ->add_option("--shape", options->shape,
                   fmt::format("The model's shape: {}", fmt::join(synthetic_shape_names(), ", ")))
      ->required();
  command
      ->add_option(
          "--type", options->request.type,
          fmt::format("Of the weights, as in 'nibble quantize': {}", fmt::join(recipe_names(), ", ")))
      ->required();
  command->add_option("-o,--output", options->output, "GGUF file to write")->required();
  command->add_option("--group", options->request.group, "Group size of int4: 32, 64 or 128; default 128")
      ->check(at_least_one());
  command->add_flag("--asymmetric", options->request.asymmetric, "int4 with a minimum per group");
  command->add_flag("--double-quant", options->request.double_quant, "nf4, fp4: 8-bit scales of scales");
  command->add_flag("--pure", options->pure, "Every matrix gets --type, the output too");
  command->add_option("--layers", options->layers, "Fewer or more layers than the shape has")
      ->check(CLI::Range(1u, 1000u));
  command
      ->add_option(
          "--tokenizer", options->tokenizer,
          "A GGUF file, or a directory with tokenizer.json or tokenizer.model, whose tokens the model "
          "gets; without one it takes token ids alone")
      ->type_name("MODEL");
  command->add_option("--seed", options->seed, "The same seed gives the same file")->check(not_negative());
  command->add_flag("--json", options->json, "Print the result as JSON");
}

}  // namespace nibble
