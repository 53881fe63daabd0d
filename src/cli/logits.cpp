#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/context_option.h"
#include "cli/kv_type_option.h"
#include "cli/output_path.h"
#include "cli/token_list.h"
#include "engine/vocabulary_loader.h"
#include "formats/npy.h"
#include "model/checkpoint.h"
#include "runtime/forward.h"
#include "text/tokenizer.h"

namespace nibble {

namespace {

struct LogitsFlags {
  CommonOptions common;
  std::string model, tokens, prompt, output;
  KvType kv_type = KvType::f32;
  uint32_t context = 0;
};

std::vector<int32_t> token_ids(const LogitsFlags& options, const Checkpoint& checkpoint) {
  if (!options.tokens.empty()) return parse_token_list(options.tokens);
  std::vector<int32_t> ids = Tokenizer::create(load_vocabulary(checkpoint))->encode(options.prompt);
  if (ids.empty()) throw UsageError("--prompt gives no tokens; write a longer one");
  return ids;
}

void run_logits(const LogitsFlags& options) {
  if (options.tokens.empty() == options.prompt.empty()) {
    throw UsageError("logits: give either --tokens or --prompt");
  }
  check_output_path("-o", options.output, {options.model});
  Progress::set_quiet(options.common.quiet);
  const auto checkpoint = Checkpoint::open(options.model);
  const std::vector<int32_t> ids = token_ids(options, *checkpoint);

  const ModelConfig& config = checkpoint->config();
  const uint32_t most = config.context_length;
  check_context(options.context, config);
  if (ids.size() > most) {
    fail("the text has {} tokens, but the model's context is {}: shorten it", ids.size(), most);
  }

  ThreadPool pool(options.common.threads, options.common.affinity);
  Forward forward(Model::load(checkpoint, pool), pool);
  const uint32_t capacity = options.context != 0 ? options.context : uint32_t(ids.size());
  KvCache cache(config, 1, capacity, options.kv_type);
  std::vector<BatchToken> batch;
  for (const int32_t id : ids) batch.push_back({id, 0, true});

  NpyWriter writer(options.output, ids.size(), config.vocab);
  Progress progress("Computing logits", ids.size(), "tokens");
  forward.run(batch, cache, [&](std::span<const float> logits) {
    if (!std::ranges::all_of(logits, [](float x) { return std::isfinite(x); })) {
      fail("the model's scores are not finite: its weights are damaged");
    }
    writer.write(logits);
    progress.add(logits.size() / config.vocab);
  });
  writer.finish();
}

}  // namespace

void add_logits(CLI::App& app) {
  const auto options = std::make_shared<LogitsFlags>();
  CLI::App* command = add_command(app, "logits", "Write the logits of every token of a text as a NumPy file",
                                  options->common, [options] { run_logits(*options); });
  command->add_option("model", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("--tokens", options->tokens, "Token ids separated by commas; no tokenizer is needed");
  command->add_option("-p,--prompt", options->prompt,
                      "Text to tokenize, with the begin token if the model has one");
  command->add_option("-o,--output", options->output, "NumPy file to write: float32 [tokens, vocabulary]")
      ->required();
  add_kv_type_option(*command, options->kv_type);
  command
      ->add_option("--context", options->context,
                   "Room in the KV cache; default: as many tokens as there are")
      ->check(at_least_one());
}

}  // namespace nibble
