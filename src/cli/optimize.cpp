#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/calibration_options.h"
#include "cli/commands.h"
#include "cli/context_option.h"
#include "cli/inspect_report.h"
#include "cli/json_output.h"
#include "cli/kv_type_option.h"
#include "cli/output_path.h"
#include "cli/size_option.h"
#include "engine/vocabulary_loader.h"
#include "evaluate/arc_data.h"
#include "optimize/analysis_file.h"
#include "optimize/optimizer.h"
#include "optimize/report.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

struct OptimizeFlags {
  CommonOptions common;
  CalibrationFlags calibration;
  JsonOutput json;
  OptimizeRequest request;
  std::string model, output, report, max_loss, text, arc, analysis, types = "all";
  std::vector<std::string> methods = {"rtn", "gptq"};
  uint64_t max_size = 0, max_memory = 0, limit = 200;
  double min_speed = 0;
  uint32_t chunks = 20;
  CLI::App* command = nullptr;

  bool given(const char* flag) const { return command->count(flag) > 0; }
};

/// The text to measure on when none is named: WikiText-2's test text where the data folder has it.
std::string default_text() {
  const fs::path path = data_folder() / "wikitext-2-raw/wiki.test.raw";
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) ? path.string() : std::string();
}

void check(const OptimizeFlags& options) {
  check_output_path("-o", options.output, {options.model, options.text, options.calibration.options.source});
  check_input_file(options.text);
  check_input_file(options.analysis);
  for (const char* flag : {"--types", "--methods"}) {
    if (options.analysis.empty() || !options.given(flag)) continue;
    throw_usage("{} was decided when --analysis was made: leave it out, or analyse anew", flag);
  }
  options.json.check({options.model, options.text, options.output});
  if (options.given("--metric") && !options.given("--max-loss")) {
    throw_usage("--metric {} says what --max-loss bounds: give --max-loss too",
                loss_metric_name(options.request.metric));
  }
  make_report_directory(options.report);
}

OptimizeRequest request_of(const OptimizeFlags& options) {
  OptimizeRequest request = options.request;
  request.model = options.model;
  request.output = options.output;
  if (options.given("--max-size")) request.max_size = options.max_size;
  if (options.given("--max-memory")) request.max_memory = options.max_memory;
  if (options.given("--min-speed")) request.min_speed = options.min_speed;
  if (options.given("--max-loss")) request.max_loss = parse_loss(request.metric, options.max_loss);
  if (!request.bounded()) request.max_loss = 0.01;
  request.candidates.types = parse_types(options.types);
  const auto has = [&](const char* name) {
    return std::find(options.methods.begin(), options.methods.end(), name) != options.methods.end();
  };
  request.candidates.nearest = has("rtn");
  request.candidates.gptq = has("gptq");
  if (!options.report.empty()) request.save_analysis = fs::path(options.report) / "analysis.json";
  request.measure.threads = options.common.threads;
  request.measure.affinity = options.common.affinity;
  return request;
}

/// Windows of a text file.
void add_windows(const OptimizeFlags& options, const std::string& text, const Checkpoint& checkpoint,
                 const Tokenizer& tokenizer, HeldOut& held_out) {
  WindowOptions windows;
  windows.context = std::min(windows.context, checkpoint.config().context_length);
  windows.max_windows = options.chunks;
  const std::vector<int32_t> tokens = tokenize_file(text, tokenizer);
  if (tokens.size() < 2 * size_t(windows.context)) {
    fail("--text {}: it has {} tokens, and chunks of {} need {} at least: give a longer one", text,
         tokens.size(), windows.context, 2 * windows.context);
  }
  held_out.windows = make_windows(tokens, tokenizer.vocabulary(), windows);
  held_out.text = fmt::format("{}, {} chunks of {} tokens", text, held_out.windows.size(), windows.context);
}

/// Where there is no text: sequences of the calibration's source that calibration does not see.
void add_windows(const OptimizeFlags& options, RunState& state, HeldOut& held_out) {
  CalibrationData data = *state.calibration();
  for (uint32_t i = 0; i < options.chunks; ++i) {
    std::vector<int32_t> sequence = std::move(data.sequences.back());
    data.sequences.pop_back();
    const size_t half = sequence.size() / 2 + 1;
    held_out.windows.push_back({std::move(sequence), half});
  }
  held_out.text = fmt::format("{} sequences of {} that calibration did not see", options.chunks, data.source);
  state.set_calibration(std::move(data), false);
}

/// Questions that the model's context can hold with each of their choices: a longer one would end the work
/// when all but it is done.
std::vector<ArcQuestion> fitting(const std::vector<ArcQuestion>& questions, const Checkpoint& checkpoint,
                                 const Tokenizer& tokenizer) {
  std::vector<ArcQuestion> result;
  for (const ArcQuestion& question : questions) {
    const std::string context = arc_context(question);
    const bool fits =
        std::all_of(question.choices.begin(), question.choices.end(), [&](const ArcChoice& choice) {
          const std::string text = context + " " + choice.text;
          return tokenizer.encode(text, {}).size() + 1 < checkpoint.config().context_length;
        });
    if (fits) result.push_back(question);
  }
  return result;
}

/// A sample of the questions; all of them where their answers are what is bounded, unless --limit says
/// otherwise. Throws UsageError when they are too few to prove the bound.
void add_questions(const OptimizeFlags& options, const OptimizeRequest& request, const Checkpoint& checkpoint,
                   const Tokenizer& tokenizer, HeldOut& held_out) {
  const bool bounded = request.metric == LossMetric::arc;
  const ArcData arc = options.arc.empty() ? find_arc(std::nullopt) : find_arc(options.arc);
  const uint64_t limit = bounded && !options.given("--limit") ? 0 : options.limit;
  held_out.questions = fitting(sample_arc(arc.questions, limit, 0), checkpoint, tokenizer);
  const size_t count = held_out.questions.size();
  held_out.arc_source = fmt::format("{} of {}", describe_sample(count, arc.questions.size(), 0), arc.source);
  if (!bounded || count >= questions_to_prove(*request.max_loss)) return;
  throw_usage(
      "--max-loss {} with --metric arc: {} questions cannot prove so little with 95% confidence, even with "
      "none lost; it takes {} at least: raise --limit, give more with --arc, or allow more loss",
      bound_text(request.metric, *request.max_loss), count, questions_to_prove(*request.max_loss));
}

/// The calibration of the flags, or of the analysis where they name none. Its errors are known then; what is
/// left to do with it is to build the model.
CalibrationFlags calibration_of(const OptimizeFlags& options, const OptimizeRequest& request) {
  CalibrationFlags calibration = options.calibration;
  if (!request.analysis || calibration.given()) return calibration;
  calibration.options = request.analysis->calibration.options;
  calibration.seed = request.analysis->calibration.seed;
  return calibration;
}

/// What the analysis and the measurements depend on. Bounds may change when an interrupted run goes on.
RunState::Job job_of(const OptimizeFlags& options, const OptimizeRequest& request, const std::string& text) {
  const std::string analysis =
      options.analysis.empty() ? fmt::format("of {} by {}", options.types, fmt::join(options.methods, ", "))
                               : fmt::format("{:016x}", fnv1a(MappedFile(options.analysis).bytes()));
  return {"analysis: " + analysis,
          fmt::format("measured on: {}, {} chunks, questions {} {}", text, options.chunks, options.arc,
                      options.limit),
          fmt::format("with: {} tokens of {}, {} threads", request.measure.context,
                      kv_type_name(request.measure.kv_type), request.measure.threads)};
}

void run_optimize(const OptimizeFlags& options) {
  check(options);
  Progress::set_quiet(options.common.quiet);
  OptimizeRequest request = request_of(options);
  const std::string text = options.text.empty() ? default_text() : options.text;
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto checkpoint = Checkpoint::open(options.model);
  check_context(request.measure.context, checkpoint->config());
  request.measure.context = request.measure.context > 0
                                ? request.measure.context
                                : std::min(kDefaultContext, checkpoint->config().context_length);
  const auto tokenizer = Tokenizer::create(load_vocabulary(*checkpoint));
  if (!options.analysis.empty()) request.analysis = read_analysis(options.analysis, *checkpoint);
  CalibrationFlags calibration = calibration_of(options, request);
  request.calibration = {calibration.options, calibration.seed};
  HeldOut held_out;
  add_questions(options, request, *checkpoint, *tokenizer, held_out);
  if (!text.empty()) {
    add_windows(options, text, *checkpoint, *tokenizer, held_out);
  } else {
    // The half of a window that is scored has none of two or three tokens.
    if (calibration.options.tokens < 4) {
      throw_usage("--calibration-tokens {}: too few to measure on; give 16 or more",
                  calibration.options.tokens);
    }
    calibration.options.sequences += options.chunks;
  }
  const auto state =
      calibration.begin(options.output + ".optimize", job_of(options, request, text), checkpoint, pool);
  if (text.empty()) add_windows(options, *state, held_out);
  const auto say = [&](const std::string& line) {
    if (!options.common.quiet && !options.json.to_stdout()) fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  const OptimizeResult result = optimize_model(*checkpoint, *state, held_out, request, pool, say);
  if (!options.json.to_stdout()) {
    fmt::print("{}", optimize_summary(result, request, held_out));
  }
  const auto json = optimize_json(result, request, held_out);
  if (!options.report.empty()) {
    const fs::path directory(options.report);
    write_file(directory / "report.json", json.dump(2) + "\n");
    write_file(directory / "recipe.json", to_json(result.recipe).dump(2) + "\n");
    write_file(directory / "report.html", optimize_html(result, request, held_out, *checkpoint));
    if (!options.json.to_stdout()) fmt::print("Report: {}\n", (directory / "report.html").string());
  }
  options.json.write(json);
}

void add_bounds(CLI::App& command, const std::shared_ptr<OptimizeFlags>& options) {
  add_size_option(command, "--max-size", options->max_size,
                  "The file has at most so many bytes: 4GB, 3.5GiB");
  add_size_option(command, "--max-memory", options->max_memory,
                  "The process takes at most so much with its context full, KV cache included");
  command
      .add_option("--max-loss", options->max_loss,
                  "Lose at most so much of --metric, with 95% confidence: 1%, or nats for kld; default "
                  "without any bound: 1% of the perplexity")
      ->type_name("LOSS");
  command
      .add_option_function<std::string>(
          "--metric",
          [options](const std::string& name) { options->request.metric = loss_metric_from_name(name); },
          "What --max-loss bounds: ppl (growth of the perplexity), kld (KL divergence), arc (questions lost)")
      ->check(CLI::IsMember({"kld", "ppl", "arc"}));
  command.add_option("--min-speed", options->min_speed, "Decode at least so many tokens a second here")
      ->check(real_between(1e-3, 1e6));
}

}  // namespace

void add_optimize(CLI::App& app) {
  auto options = std::make_shared<OptimizeFlags>();
  CLI::App* command = add_command(
      app, "optimize", "Choose the quantization within bounds of memory, size, loss and speed, and prove it",
      options->common, [options] { run_optimize(*options); });
  options->command = command;
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("-o,--output", options->output, "GGUF file to write")->required();
  add_bounds(*command, options);
  command
      ->add_option(
          "--types", options->types,
          "What to choose from: all, standard (types that every GGUF program reads), or names; those "
          "behind a minus are left out: all,-q4_1")
      ->capture_default_str();
  command->add_option("--methods", options->methods, "Methods to choose from")
      ->check(CLI::IsMember({"rtn", "gptq"}))
      ->delimiter(',')
      ->capture_default_str();
  options->calibration.add_to(*command);
  command
      ->add_option("--text", options->text,
                   "Text to measure on, which calibration must not see; default: WikiText-2's test text in "
                   "NIBBLE_DATA or ../shared/data, else sequences that calibration leaves out")
      ->type_name("FILE");
  command->add_option("--chunks", options->chunks, "Chunks of it")
      ->check(at_least_one())
      ->capture_default_str();
  command->add_option("--arc", options->arc, "Questions to measure on; see 'nibble eval --help'")
      ->type_name("PATH");
  command
      ->add_option("--limit", options->limit,
                   "Ask a random sample of so many questions; with --metric arc all, by default")
      ->check(at_least_one())
      ->capture_default_str();
  command
      ->add_option(
          "--context", options->request.measure.context,
          fmt::format("Tokens of context that --max-memory counts with; default: the model's, at most {}",
                      kDefaultContext))
      ->check(at_least_one());
  add_kv_type_option(*command, options->request.measure.kv_type);
  command->add_option("--steps", options->request.most_steps, "Models to build and measure at most")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command
      ->add_option("--analysis", options->analysis,
                   "Other bounds for the same model: take sensitivities, errors and calibration from the "
                   "analysis.json of an earlier --report")
      ->type_name("FILE");
  command
      ->add_option("--report", options->report,
                   "Write report.html, report.json, recipe.json and analysis.json there")
      ->type_name("DIR");
  options->json.add_to(*command);
}

}  // namespace nibble
