#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/context_option.h"
#include "cli/json_output.h"
#include "cli/kv_type_option.h"
#include "cli/output_path.h"
#include "evaluate/results_json.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

struct EvalFlags {
  CommonOptions common;
  JsonOutput json;
  std::string model, base, save_base_logits, arc_path, arc_style = "continuation", perplexity, kld;
  uint64_t limit = 0, seed = 0;
  WindowOptions windows;
  KvType kv_type = KvType::f16;
  CLI::Option* arc = nullptr;
  CLI::App* command = nullptr;
};

void check(const EvalFlags& options) {
  if (options.arc->count() == 0 && options.perplexity.empty() && options.kld.empty()) {
    throw UsageError("say what to measure: --arc, --perplexity FILE, or --kld FILE --base MODEL");
  }
  if (options.kld.empty() != options.base.empty()) {
    throw UsageError("--kld FILE and --base MODEL belong together: the text, and the model to compare with");
  }
  for (const char* flag : {"--context", "--chunks", "--stride"}) {
    if (options.command->count(flag) == 0 || !options.perplexity.empty() || !options.kld.empty()) continue;
    throw_usage("{} divides a text: it goes with --perplexity and --kld, not with --arc alone", flag);
  }
}

/// The questions, read before the model so that a mistake in them shows at once.
std::optional<ArcData> arc_data(const EvalFlags& options) {
  if (options.arc->count() == 0) return std::nullopt;
  if (options.arc_path.empty()) return find_arc(std::nullopt);
  return find_arc(options.arc_path);
}

std::unique_ptr<Engine> load(const std::string& model, const EvalFlags& options, KvType kv_type) {
  return Engine::load(model, {.threads = options.common.threads,
                              .affinity = options.common.affinity,
                              .kv_type = kv_type,
                              .needs_tokenizer = true});
}

std::string percent(const Estimate& e) {
  return fmt::format("{:5.2f} ± {:.2f}", 100 * e.mean, 100 * e.standard_error);
}

void print_arc(const ArcTask& task, size_t asked, const ArcResult& result) {
  fmt::print("ARC: {} of {}\n", describe_sample(asked, task.total, task.seed), task.source);
  fmt::print("  {:<16}{:>10}  {:>14}  {:>14}\n", "set", "questions", "acc %", "acc_norm %");
  const auto line = [](const std::string& name, const ArcScore& s) {
    fmt::print("  {:<16}{:>10}  {:>15}  {:>15}\n", name, s.n, percent(s.acc()), percent(s.acc_norm()));
  };
  for (const ArcScore& set : result.sets) line(set.set, set);
  if (result.sets.size() > 1) line("together", result.all);
}

ordered_json run_arc(const EvalFlags& options, Engine& engine, const ArcData& data) {
  const ArcTask task{data.source, data.questions.size(), options.seed,
                     arc_style_from_name(options.arc_style)};
  const auto questions = sample_arc(data.questions, options.limit, options.seed);
  const ArcResult result = evaluate_arc(engine, questions, task.style);
  if (!options.json.to_stdout()) print_arc(task, questions.size(), result);
  return to_json(task, questions, result);
}

std::string describe_windows(const PerplexityResult& result, const WindowOptions& windows) {
  if (windows.stride == 0) {
    return fmt::format("{} chunks of {}, {} tokens of their second halves", result.windows, windows.context,
                       result.tokens);
  }
  return fmt::format("{} windows of {} every {}, {} tokens", result.windows, windows.context, windows.stride,
                     result.tokens);
}

std::vector<Window> windows_of(const std::string& file, const EvalFlags& options, const Engine& engine) {
  check_context(options.windows.context, engine.model().config());
  const std::vector<int32_t> text = tokenize_file(file, engine.tokenizer());
  WindowOptions windows = options.windows;
  windows.source = file;
  return make_windows(text, engine.tokenizer().vocabulary(), windows);
}

ordered_json run_perplexity(const EvalFlags& options, Engine& engine) {
  const auto windows = windows_of(options.perplexity, options, engine);
  const PerplexityResult result = evaluate_perplexity(engine, windows);
  if (!options.json.to_stdout()) {
    fmt::print("Perplexity: {:.4f} ± {:.4f} ({}, {})\n", result.perplexity(), result.standard_error(),
               options.perplexity, describe_windows(result, options.windows));
  }
  return to_json(result, options.perplexity, options.windows);
}

void print_kld(const EvalFlags& options, const KldResult& result) {
  fmt::print("KL divergence from {}: {:.6f} ± {:.6f} ({}, {})\n", options.base, result.kld.mean,
             result.kld.standard_error, options.kld, describe_windows(result.model, options.windows));
  fmt::print("  of single tokens: median {:.6f}, 90% below {:.6f}, 99% below {:.6f}, largest {:.6f}\n",
             result.median, result.p90, result.p99, result.max);
  fmt::print("  same most probable token: {} %\n", percent(result.top1_agreement));
  fmt::print("  perplexity {:.4f} ± {:.4f}, base {:.4f} ± {:.4f}; logarithm of their ratio {:.6f} ± {:.6f}\n",
             result.model.perplexity(), result.model.standard_error(), result.base.perplexity(),
             result.base.standard_error(), result.log_ratio.mean, result.log_ratio.standard_error);
}

KldResult compare(const EvalFlags& options, Engine& engine, const std::vector<Window>& windows) {
  const std::string& save = options.save_base_logits;
  if (const auto saved = SavedLogits::open(options.base)) {
    if (!save.empty())
      throw_usage("--save-base-logits: {} is such a file already; name a model by --base", options.base);
    return evaluate_kld(engine, *saved, windows);
  }
  // Its cache loses nothing, so that a model compared with itself shows what --kv-type costs.
  const auto base = load(options.base, options, KvType::f32);
  ModelLogits logits = save.empty() ? ModelLogits(*base) : ModelLogits(*base, save, windows);
  return evaluate_kld(engine, logits, windows);
}

ordered_json run_kld(const EvalFlags& options, Engine& engine) {
  const auto windows = windows_of(options.kld, options, engine);
  const KldResult result = compare(options, engine, windows);
  if (!options.json.to_stdout()) print_kld(options, result);
  ordered_json json = to_json(result, options.kld, options.windows);
  json["base"] = options.base;
  return json;
}

void run_eval(const EvalFlags& options) {
  check(options);
  for (const std::string& text : {options.perplexity, options.kld}) check_input_file(text);
  const std::vector<std::string> inputs = {options.model, options.base, options.perplexity, options.kld};
  options.json.check(inputs);
  if (!options.save_base_logits.empty())
    check_output_path("--save-base-logits", options.save_base_logits, inputs);
  Progress::set_quiet(options.common.quiet);
  const std::optional<ArcData> data = arc_data(options);
  const auto engine = load(options.model, options, options.kv_type);
  ordered_json results = ordered_json::array();
  if (data) results.push_back(run_arc(options, *engine, *data));
  if (!options.perplexity.empty()) results.push_back(run_perplexity(options, *engine));
  if (!options.kld.empty()) results.push_back(run_kld(options, *engine));
  for (ordered_json& result : results) result["model"] = options.model;
  options.json.write(results.size() == 1 ? results[0] : results);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto options = std::make_shared<EvalFlags>();
  CLI::App* command =
      add_command(app, "eval", "Measure accuracy: ARC, perplexity, KL divergence from a base model",
                  options->common, [options] { run_eval(*options); });
  options->command = command;
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  options->arc =
      command
          ->add_option("--arc", options->arc_path,
                       "Ask the questions of a .jsonl file, or of a directory with ARC's test sets; "
                       "default: the folder in NIBBLE_DATA, ../shared/data, or questions that come along")
          ->expected(0, 1)
          ->type_name("[PATH]");
  command
      ->add_option("--arc-style", options->arc_style,
                   "continuation: compare the choices as continuations, as lm-evaluation-harness does; "
                   "letter: ask for the letter in a chat turn")
      ->needs(options->arc)
      ->check(CLI::IsMember({"continuation", "letter"}))
      ->capture_default_str();
  CLI::Option* limit =
      command->add_option("--limit", options->limit, "Ask a random sample of so many questions; default: all")
          ->needs(options->arc)
          ->check(at_least_one());
  command->add_option("--seed", options->seed, "Of the sample")
      ->needs(limit)
      ->check(not_negative())
      ->capture_default_str();
  command->add_option("--perplexity", options->perplexity, "Perplexity of a text file")->type_name("FILE");
  command->add_option("--kld", options->kld, "Divergence from --base over a text file")->type_name("FILE");
  CLI::Option* base =
      command
          ->add_option("--base", options->base,
                       "The model that --kld compares with, or its logits from --save-base-logits")
          ->type_name("MODEL");
  command
      ->add_option(
          "--save-base-logits", options->save_base_logits,
          "Write the base's logits into a file that --base takes later, instead of running it again: "
          "4 bytes for each token of the vocabulary and position")
      ->needs(base)
      ->type_name("FILE");
  command->add_option("--context", options->windows.context, "Tokens of a chunk of text")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command->add_option("--chunks", options->windows.max_windows, "Read so many chunks only; default: all")
      ->check(at_least_one());
  command
      ->add_option("--stride", options->windows.stride,
                   "Begin a window every so many tokens and score each token once; default: chunks scored "
                   "over their second half, as llama.cpp does")
      ->check(at_least_one());
  add_kv_type_option(*command, options->kv_type);
  options->json.add_to(*command);
}

}  // namespace nibble
