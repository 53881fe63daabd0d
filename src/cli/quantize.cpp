#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "calibrate/imatrix.h"
#include "calibrate/quantize_model.h"
#include "calibrate/recipe.h"
#include "calibrate/recipe_file.h"
#include "cli/calibration_options.h"
#include "cli/commands.h"
#include "cli/output_path.h"
#include "engine/checkpoint_metadata.h"
#include "model/checkpoint.h"
#include "quantize/block_grid.h"

namespace nibble {

namespace {

const std::vector<std::string> kMethods = {"rtn", "learned-scales", "hqq",      "gptq",
                                           "awq", "smoothquant",    "autoround"};

struct QuantizeFlags {
  CommonOptions common;
  CalibrationFlags calibration;
  std::string model, output, imatrix, method = "rtn", prune, sparsity;
  RecipeRequest request;
  std::optional<uint32_t> steps;
  std::optional<float> alpha;
  std::string output_type, embedding_type;
  std::vector<std::string> tensor_types;  ///< "PATTERN=TYPE"
  std::string recipe;                     ///< a file in place of all of these
  CLI::App* command = nullptr;
  bool pure = false, json = false;
  bool chooses_by_text() const { return method != "rtn" && method != "hqq" && method != "learned-scales"; }
  bool calibrates() const { return chooses_by_text() || !prune.empty(); }
  bool takes_importance() const { return method == "rtn" || method == "learned-scales"; }
};

void check_pruning(const QuantizeFlags& options) {
  if (options.prune.empty()) {
    if (!options.sparsity.empty()) throw_usage("--sparsity says how much --prune takes: give --prune too");
    return;
  }
  if (options.method != "rtn") {
    throw_usage("--prune rounds what is left to nearest: leave --method {} out", options.method);
  }
  if (!options.imatrix.empty()) {
    throw_usage("--prune weights errors by its own calibration: leave --imatrix out");
  }
}

void check(const QuantizeFlags& options) {
  check_output_path("-o", options.output,
                    {options.model, options.imatrix, options.recipe, options.calibration.options.source});
  check_input_file(options.imatrix);
  check_pruning(options);
  if (!options.calibrates() && options.calibration.given()) {
    throw_usage("--method {} uses no calibration text: leave --calibration out{}", options.method,
                options.takes_importance() ? ", or weight it with --imatrix" : "");
  }
  if (!options.takes_importance() && !options.imatrix.empty()) {
    throw_usage("--imatrix weights --method rtn and learned-scales; {}",
                options.chooses_by_text() ? options.method + " gathers more by calibration"
                                          : options.method + " takes no weights");
  }
  if (options.steps && options.method != "autoround") {
    throw_usage("--steps belongs to --method autoround, not to {}", options.method);
  }
  if (options.alpha && options.method != "smoothquant") {
    throw_usage("--alpha belongs to --method smoothquant, not to {}", options.method);
  }
}

void check_dense(DType dtype) {
  const auto dense = dense_dtype(dtype);
  if (!dense) return;
  throw_usage("{} is how pruned matrices are stored: use {} with --prune and --sparsity 2:4",
              dtype_name(dtype), dtype_name(*dense));
}

/// HQQ needs an offset beside one scale; methods that choose code by code need a type whose scales are known
/// before its codes.
void check_method(const QuantizeFlags& options, const Recipe& recipe) {
  if (options.method == "hqq" && !has_hqq(recipe.weights)) {
    throw_usage(
        "--method hqq chooses the offset beside a block's scale, and {} stores none: use int4 with "
        "--asymmetric, q4_1 or q5_1, or --method rtn",
        recipe.name);
  }
  const bool four_bit_float = recipe.weights == DType::NF4 || recipe.weights == DType::FP4 ||
                              recipe.weights == DType::NF4_DQ || recipe.weights == DType::FP4_DQ;
  if (options.method == "learned-scales" && !four_bit_float) {
    throw_usage(
        "--method learned-scales chooses the scales of nf4 and fp4, and rtn chooses those of {} so already: "
        "leave --method out",
        recipe.name);
  }
  if (options.method == "smoothquant" && recipe.weights != DType::INT8 && recipe.weights != DType::Q8_0) {
    throw_usage(
        "--method smoothquant makes weights and activations of 8 bits, and {} has others: use --type int8 or "
        "q8_0, or --method awq",
        recipe.name);
  }
  if (!options.chooses_by_text() || has_grid(recipe.weights)) return;
  throw_usage("--method {} rounds to codes within a block's scales, and {} has none to choose: {}",
              options.method, recipe.name,
              options.request.double_quant ? "leave --double-quant out" : "use --method rtn");
}

DType dtype_option(const std::string& flag, const std::string& name) {
  const auto dtype = dtype_from_name(name);
  if (!dtype) throw_usage("{} {}: unknown tensor type; there is {}", flag, name, dense_type_names());
  check_dense(*dtype);
  return *dtype;
}

/// The flags that a recipe's file stands for.
constexpr const char* kRecipeFlags[] = {"--type",
                                        "--method",
                                        "--imatrix",
                                        "--steps",
                                        "--alpha",
                                        "--prune",
                                        "--sparsity",
                                        "--group",
                                        "--asymmetric",
                                        "--double-quant",
                                        "--output-tensor-type",
                                        "--token-embedding-type",
                                        "--tensor-type",
                                        "--pure"};

/// Sets method and calibration as the file says; calibration flags that were given come before it.
Recipe recipe_of_file(QuantizeFlags& options) {
  for (const char* flag : kRecipeFlags) {
    if (options.command->count(flag) > 0) throw_usage("--recipe says what {} would: leave it out", flag);
  }
  const RecipeFile file = read_recipe(options.recipe);
  options.method = file.method;
  if (std::find(kMethods.begin(), kMethods.end(), file.method) == kMethods.end()) {
    fail("{}: '{}' is no method; 'nibble quantize --help' lists them", options.recipe, file.method);
  }
  if (file.calibration && !options.calibration.given()) {
    options.calibration.options = file.calibration->options;
    options.calibration.seed = file.calibration->seed;
  }
  return file.recipe;
}

Recipe recipe_of(QuantizeFlags& options) {
  if (!options.recipe.empty()) return recipe_of_file(options);
  if (options.request.type.empty()) throw_usage("say what tensors become: --type TYPE or --recipe FILE");
  Recipe recipe = make_recipe(options.request);
  check_dense(recipe.weights);
  recipe.pure = options.pure;
  if (options.pure && !(options.output_type.empty() && options.embedding_type.empty())) {
    throw_usage("--pure gives every matrix the same type: leave it or the types of single tensors out");
  }
  if (!options.output_type.empty()) recipe.output = dtype_option("--output-tensor-type", options.output_type);
  if (!options.embedding_type.empty()) {
    recipe.embedding = dtype_option("--token-embedding-type", options.embedding_type);
  }
  return recipe;
}

/// "PATTERN=TYPE", as llama-quantize takes them; later ones come before earlier ones.
void add_tensor_types(Recipe& recipe, const QuantizeFlags& options, const Checkpoint& checkpoint) {
  for (const std::string& text : options.tensor_types) {
    const size_t sign = text.rfind('=');
    if (sign == std::string::npos || sign == 0) {
      throw_usage("--tensor-type {}: write PATTERN=TYPE, such as attn_v=q6_k", text);
    }
    const DType dtype = dtype_option("--tensor-type " + text.substr(0, sign), text.substr(sign + 1));
    set_tensor_types(recipe, text.substr(0, sign), dtype, checkpoint.tensors());
  }
}

nlohmann::json summary_json(const QuantizeFlags& options, const Recipe& recipe,
                            const QuantizeSummary& summary) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const auto& t : summary.tensors) {
    tensors.push_back({{"name", t.name},
                       {"from", dtype_name(t.from)},
                       {"to", dtype_name(t.to)},
                       {"fallback", t.fallback.has_value()},
                       {"bytes", t.bytes},
                       {"cosine", t.cosine},
                       {"relative_error", t.relative_error}});
    if (t.promoted_from) tensors.back()["promoted_from"] = dtype_name(*t.promoted_from);
  }
  return {{"output", options.output},
          {"recipe", recipe.name},
          {"parameters", summary.parameters},
          {"file_bytes", summary.file_bytes},
          {"bits_per_weight", summary.bits_per_weight()},
          {"seconds", summary.seconds},
          {"tensors", tensors}};
}

/// Of the tensors that did not become what the recipe says: those of each type and reason by the first of
/// them and their number.
void print_others(const QuantizeSummary& summary) {
  std::map<std::pair<DType, std::string>, std::pair<std::string, size_t>> groups;
  for (const QuantizeSummary::Tensor& tensor : summary.tensors) {
    std::string why;
    if (tensor.promoted_from) {
      why = fmt::format("its values are beyond what the recipe's type holds, {}",
                        dtype_name(*tensor.promoted_from));
    } else if (tensor.fallback) {
      why = fmt::format("its rows do not divide by the block of {}", dtype_name(*tensor.fallback));
    } else {
      continue;
    }
    ++groups.try_emplace({tensor.to, why}, tensor.name, 0).first->second.second;
  }
  for (const auto& [group, tensors] : groups) {
    const auto& [first, count] = tensors;
    fmt::print("  {}{} became {}: {}\n", first, count > 1 ? fmt::format(" (and {} more)", count - 1) : "",
               dtype_name(group.first), group.second);
  }
}

/// A method has nothing to choose for tensors that are in their type already.
void print_copied(const QuantizeSummary& summary) {
  const auto copied = [](const auto& t) { return t.from == t.to && has_grid(t.to) && t.relative_error == 0; };
  const auto count = std::count_if(summary.tensors.begin(), summary.tensors.end(), copied);
  if (count == 0) return;
  fmt::print("  {} had its type already and was copied\n",
             count == 1 ? "1 tensor" : fmt::format("each of {} tensors", count));
}

void print_summary(const QuantizeFlags& options, const Recipe& recipe, uint64_t source_bytes,
                   const QuantizeSummary& summary) {
  fmt::print("{}: {}, {:.1f} MB ({:.1f} MB before), {:.3f} bits per weight, in {:.1f} s\n", options.output,
             recipe.name, double(summary.file_bytes) / 1e6, double(source_bytes) / 1e6,
             summary.bits_per_weight(), summary.seconds);
  std::vector<DType> types;
  for (const auto& tensor : summary.tensors) types.push_back(tensor.to);
  fmt::print("  {}\n", type_counts(types));
  const auto least = std::min_element(summary.tensors.begin(), summary.tensors.end(),
                                      [](const auto& a, const auto& b) { return a.cosine < b.cosine; });
  fmt::print("  {} tensors checked against their source: cosine {:.4f} or more ({})\n",
             summary.tensors.size(), least->cosine, least->name);
  print_copied(summary);
  print_others(summary);
}

/// An importance matrix may be of a part of the model, or of another one.
void print_unweighted(const QuantizeFlags& options, const Importance& importance,
                      const QuantizeSummary& summary) {
  const auto unweighted = [&](const QuantizeSummary::Tensor& tensor) {
    return tensor.name.starts_with("blk.") && has_grid(tensor.to) && !importance.contains(tensor.name);
  };
  const auto count = std::count_if(summary.tensors.begin(), summary.tensors.end(), unweighted);
  if (count == 0) return;
  fmt::print("  {} of the layers' matrices are not in {}: their errors are not weighted\n", count,
             options.imatrix);
}

PruneOptions prune_options(const QuantizeFlags& options) {
  PruneOptions result;
  result.method = options.prune == "wanda" ? PruneMethod::wanda : PruneMethod::sparsegpt;
  if (!options.sparsity.empty()) result.sparsity = parse_sparsity(options.sparsity);
  return result;
}

/// Types that cannot be pruned are told before the text is read, which may take long.
void check_pruned_types(const Checkpoint& checkpoint, const Recipe& recipe, const PruneOptions& options) {
  for (const TensorView& tensor : checkpoint.tensors()) {
    pruned_choice(tensor, recipe_choice(recipe, checkpoint.config(), tensor), options.sparsity);
  }
}

/// What the flags say of how codes are chosen; what is read from files is still missing.
QuantizeMethod method_of(const QuantizeFlags& options) {
  QuantizeMethod method;
  if (options.method == "hqq") method.hqq.emplace();
  if (options.method == "learned-scales") method.scale = FourBitScale::learned;
  if (options.method == "gptq") method.gptq.emplace();
  if (options.method == "awq") method.awq.emplace();
  if (options.method == "smoothquant") {
    method.smoothquant.emplace();
    method.smoothquant->alpha = options.alpha.value_or(method.smoothquant->alpha);
  }
  if (options.method == "autoround") {
    method.autoround.emplace();
    method.autoround->steps = options.steps.value_or(method.autoround->steps);
  }
  if (!options.prune.empty()) method.prune = prune_options(options);
  return method;
}

void run_quantize(QuantizeFlags& options) {
  check_input_file(options.recipe);
  Recipe recipe = recipe_of(options);
  check(options);
  Progress::set_quiet(options.common.quiet);
  check_method(options, recipe);
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto checkpoint = Checkpoint::open(options.model);
  add_tensor_types(recipe, options, *checkpoint);
  QuantizeMethod method = method_of(options);
  if (method.prune) check_pruned_types(*checkpoint, recipe, *method.prune);
  Importance importance;
  if (!options.imatrix.empty()) {
    importance = read_imatrix(options.imatrix).importance();
    method.importance = &importance;
  }
  std::unique_ptr<RunState> state;
  if (method.by_layers()) {
    state = options.calibration.begin(options.output, quantize_job(*checkpoint, recipe, method), checkpoint,
                                      pool);
    method.state = state.get();
    method.calibration = &*state->calibration();
  }
  const QuantizeSummary summary =
      quantize_model(*checkpoint, recipe, method, checkpoint_metadata(*checkpoint), options.output, pool);
  if (options.json) {
    fmt::print("{}\n", summary_json(options, recipe, summary).dump());
  } else {
    print_summary(options, recipe, checkpoint->file_bytes(), summary);
    if (method.importance) print_unweighted(options, importance, summary);
  }
}

/// What decides how codes are chosen.
void add_method_options(CLI::App& command, QuantizeFlags& options) {
  command
      .add_option(
          "--method", options.method,
          "How codes are chosen: rtn (round-to-nearest); learned-scales, nf4 and fp4 with scales of the "
          "least squared error; hqq, whose offsets forgive outliers; or by calibration text: gptq makes "
          "rounding errors good in other weights, awq scales the columns that matter, smoothquant those "
          "whose inputs have outliers (int8, q8_0), autoround learns each rounding")
      ->check(CLI::IsMember(kMethods));
  command
      .add_option(
          "--steps", options.steps,
          fmt::format("autoround: steps of learning, for each layer; default {}", AutoroundOptions().steps))
      ->check(at_least_one());
  command
      .add_option("--alpha", options.alpha,
                  fmt::format("smoothquant: how much of the outliers goes to the weights, 0 to 1; default {}",
                              SmoothQuantOptions().alpha))
      ->check(real_between(0, 1));
  command
      .add_option("--imatrix", options.imatrix,
                  "Weight the errors of rtn and learned-scales with an importance matrix: 'nibble imatrix' "
                  "or llama.cpp writes it")
      ->type_name("FILE");
  command
      .add_option(
          "--prune", options.prune,
          "Make weights zero by calibration text and round the others to nearest: wanda, or sparsegpt, "
          "which makes their errors good in the others")
      ->check(CLI::IsMember({"wanda", "sparsegpt"}));
  command.add_option(
      "--sparsity", options.sparsity,
      "What --prune takes: a share, or N:M, where N of M neighbours stay; default 0.5. q8_0 and "
      "q4_0 store 2:4, 4:8 and 16:32 without the zeros");
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto options = std::make_shared<QuantizeFlags>();
  CLI::App* command = add_command(app, "quantize", "Write a model with one quantization, as a GGUF file",
                                  options->common, [options] { run_quantize(*options); });
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("-o,--output", options->output, "GGUF file to write")->required();
  command->add_option("--type", options->request.type,
                      fmt::format("What most tensors become: {}", fmt::join(recipe_names(), ", ")));
  options->command = command;
  command
      ->add_option(
          "--recipe", options->recipe,
          "Repeat a recipe that 'nibble optimize' wrote, in place of --type, --method and their like")
      ->type_name("FILE");
  command
      ->add_option("--tensor-type", options->tensor_types,
                   "Give matrices a type of their own, by a regular expression for their names: "
                   "--tensor-type 'attn_v=q6_k' 'blk\\.[0-3]\\..*=q8_0'")
      ->type_name("PATTERN=TYPE")
      ->allow_extra_args(false);
  add_method_options(*command, *options);
  options->calibration.add_to(*command);
  command->add_option("--group", options->request.group, "Group size of int4: 32, 64 or 128; default 128")
      ->check(at_least_one());
  command->add_flag("--asymmetric", options->request.asymmetric, "int4 with a minimum per group");
  command->add_flag("--double-quant", options->request.double_quant,
                    "nf4, fp4: 8-bit scales of scales, as QLoRA (4.127 bits per weight)");
  command->add_option("--output-tensor-type", options->output_type,
                      "Type of output.weight; default q6_k for fewer bits");
  command->add_option("--token-embedding-type", options->embedding_type, "Type of token_embd.weight");
  command->add_flag("--pure", options->pure, "Every matrix gets --type, the output too");
  command->add_flag("--json", options->json, "Print the result as JSON");
}

}  // namespace nibble
