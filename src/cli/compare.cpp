#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/compare_worker.h"
#include "cli/json_output.h"
#include "cli/kv_type_option.h"
#include "cli/output_path.h"
#include "cli/terminal.h"
#include "evaluate/report_html.h"
#include "evaluate/report_table.h"
#include "model/checkpoint.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

struct CompareFlags {
  CommonOptions common;
  JsonOutput json;
  std::vector<std::string> models;
  std::string report, note;
  CompareJob job;
  CLI::Option *prompt = nullptr, *generate = nullptr;
};

/// Quoted for a shell where it has to be.
std::string shell_word(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=+,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// The command that does the same again, defaults spelled out where they could change.
std::string command_line(const CompareFlags& options) {
  const CompareJob& job = options.job;
  std::string line = "nibble compare";
  for (const std::string& model : options.models) line += " " + shell_word(model);
  if (!job.arc.empty()) line += " --arc " + shell_word(job.arc);
  if (job.arc_style != "continuation") line += " --arc-style " + job.arc_style;
  if (job.limit > 0) line += fmt::format(" --limit {} --seed {}", job.limit, job.seed);
  line += fmt::format(" --prompt {} --generate {} --repeat {}", job.bench.prompt, job.bench.generate,
                      job.bench.repeat);
  if (job.bench.kv_type != KvType::f16) line += fmt::format(" --kv-type {}", kv_type_name(job.bench.kv_type));
  if (options.common.threads > 0) line += fmt::format(" --threads {}", options.common.threads);
  if (options.common.affinity == Affinity::cores) line += " --affinity cores";
  if (!options.report.empty()) line += " --report " + shell_word(options.report);
  return line;
}

/// All models get the same lengths.
void check_lengths(CompareFlags& options) {
  uint32_t context = UINT32_MAX;
  std::string shortest;
  for (const std::string& model : options.models) {
    const uint32_t length = Checkpoint::open(model)->config().context_length;
    if (length < context) context = length, shortest = model;
  }
  BenchOptions& bench = options.job.bench;
  bench.fit_defaults(context, options.prompt->count() > 0, options.generate->count() > 0);
  if (bench.prompt > context || bench.generate > context) {
    throw_usage("{}: its context is {} tokens; give a smaller --prompt and --generate", shortest, context);
  }
}

/// Finds out before hours of work whether all of it can be done.
ArcData check(CompareFlags& options) {
  options.json.check(options.models);
  check_lengths(options);
  make_report_directory(options.report);
  return options.job.arc.empty() ? find_arc(std::nullopt) : find_arc(options.job.arc);
}

RunInfo run_info(const CompareFlags& options, const ArcData& data) {
  const CompareJob& job = options.job;
  RunInfo run;
  run.version = NIBBLE_VERSION;
  run.date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::chrono::system_clock::now()));
  run.cpu = cpu_info().model;
  run.isa = isa_name(selected_isa());
  run.command = command_line(options);
  run.note = options.note;
  run.threads = options.common.threads > 0 ? options.common.threads : default_threads();
  run.physical_cores = cpu_info().physical_cores;
  run.prompt = job.bench.prompt;
  run.generate = job.bench.generate;
  run.repeat = job.bench.repeat;
  run.seed = job.seed;
  const size_t total = data.questions.size(), asked = sample_arc(data.questions, job.limit, job.seed).size();
  run.questions = fmt::format("{} of {}", describe_sample(asked, total, job.seed), data.source);
  run.arc_style = job.arc_style;
  return run;
}

void write_reports(const Comparison& comparison, const fs::path& directory) {
  write_file(directory / "report.md", markdown_report(comparison));
  write_file(directory / "report.json", to_json(comparison).dump(2) + "\n");
  write_file(directory / "report.html", html_report(comparison));
}

void run_compare(CompareFlags& options) {
  Comparison comparison;
  const ArcData data = check(options);
  comparison.run = run_info(options, data);
  options.job.threads = options.common.threads;
  options.job.affinity = options.common.affinity;
  options.job.quiet = options.common.quiet;
  catch_interrupts();
  size_t failed = 0;
  for (const std::string& model : options.models) {
    if (!options.common.quiet) {
      fmt::print(stderr, "[{}/{}] {}\n", comparison.models.size() + 1, options.models.size(), model);
    }
    options.job.model = model;
    comparison.models.push_back(figures_from_json(run_in_process(options.job)));
    if (interrupts() > 0) end_interrupted();  // the process that measures got the signal too
    failed += comparison.models.back().error.empty() ? 0 : 1;
  }
  complete_comparison(comparison);
  if (!options.report.empty()) write_reports(comparison, options.report);
  if (!options.json.to_stdout()) {
    fmt::print("{}", terminal_report(comparison));
    if (!options.report.empty())
      fmt::print("\nReport: {}\n", (fs::path(options.report) / "report.html").string());
  }
  options.json.write(to_json(comparison));
  if (failed > 0) {
    fail("{} of {} models could not be measured: {}", failed, comparison.models.size(),
         fmt::join(failures(comparison), "; "));
  }
}

}  // namespace

void add_compare(CLI::App& app) {
  auto options = std::make_shared<CompareFlags>();
  CompareJob& job = options->job;
  CLI::App* command =
      add_command(app, "compare", "Size, CPU, memory, accuracy and speed of models in one table",
                  options->common, [options] { run_compare(*options); });
  command
      ->add_option("MODEL", options->models,
                   "GGUF files or Hugging Face directories; the first is what the others are compared with")
      ->required();
  command->add_option("--report", options->report, "Write report.md, report.json and report.html there")
      ->type_name("DIR");
  command
      ->add_option("--arc", job.arc,
                   "Questions: a .jsonl file, or a directory with ARC's test sets; default: the folder in "
                   "NIBBLE_DATA, ../shared/data, or questions that come along")
      ->type_name("PATH");
  command->add_option("--arc-style", job.arc_style, "continuation or letter; see 'nibble eval --help'")
      ->check(CLI::IsMember({"continuation", "letter"}))
      ->capture_default_str();
  command->add_option("--limit", job.limit, "Ask a random sample of so many questions; default: all")
      ->check(at_least_one());
  command->add_option("--seed", job.seed, "Of the sample")->check(not_negative())->capture_default_str();
  options->prompt = command->add_option("--prompt", job.bench.prompt, "Tokens of prefill")
                        ->check(CLI::Range(1, 1 << 20))
                        ->capture_default_str();
  options->generate = command->add_option("--generate", job.bench.generate, "Tokens to decode")
                          ->check(CLI::Range(1, 1 << 20))
                          ->capture_default_str();
  command->add_option("--repeat", job.bench.repeat, "Runs of each; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_kv_type_option(*command, job.bench.kv_type);
  command->add_option("--note", options->note, "A remark to print with the results")->type_name("TEXT");
  options->json.add_to(*command);
  add_compare_worker(app);
}

}  // namespace nibble
