#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/process.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/kv_type_option.h"
#include "cli/terminal.h"
#include "evaluate/results_json.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

struct BenchFlags {
  CommonOptions common;
  JsonOutput json;
  std::string model;
  BenchOptions bench;
  CLI::Option *prompt = nullptr, *generate = nullptr;
};

std::string threads_text(const ordered_json& figures) {
  const int threads = figures["threads"].get<int>();
  return fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
}

void print_speed(const std::string& what, const ordered_json& speed) {
  const auto& runs = speed["runs"];
  const double of_reading = speed.value("of_reading", 0.0);
  fmt::print(
      "  {:<20}{:>9.1f} tokens/s  ({:.1f} to {:.1f}), {:3.0f}% of the roof{}; {}, {}\n", what,
      speed["tokens_per_s"].get<double>(), runs.front().get<double>(), runs.back().get<double>(),
      100 * speed["of_roof"].get<double>(),
      of_reading > 0 ? fmt::format(", {:.0f}% of reading its weights between runs", 100 * of_reading) : "",
      threads_text(speed), fmt::join(speed["kernels"].get<std::vector<std::string>>(), " "));
}

void print_roofs(const ordered_json& roof) {
  fmt::print("    {:<12} read {:.1f} GB/s, int8 {:.0f} Gop/s, float {:.0f} Gflop/s\n", threads_text(roof),
             roof["read_gb_s"].get<double>(), roof["int8_gops"].get<double>(),
             roof["float_gflops"].get<double>());
}

void print_summary(const ordered_json& result) {
  fmt::print("{}: loaded in {:.2f} s, {} at most resident\n", result["model"].get<std::string>(),
             result["load_s"].get<double>(), readable_bytes(result["peak_rss_bytes"].get<uint64_t>()));
  fmt::print("  the machine's roofs, {}:\n", isa_name(selected_isa()));
  for (const auto& step : result["roof"]["steps"]) print_roofs(step);
  for (const auto& speed : result["prefill"]) {
    print_speed(fmt::format("prefill {}", speed["tokens"].get<uint32_t>()), speed);
  }
  for (const auto& speed : result["decode"]) {
    const auto depth = speed["depth"].get<uint32_t>();
    print_speed(
        fmt::format("decode {}, batch {}", speed["tokens"].get<uint32_t>(), speed["batch"].get<uint32_t>()) +
            (depth > 0 ? fmt::format(", after {}", depth) : ""),
        speed);
  }
  std::string heading;
  for (const auto& part : result.value("profile", ordered_json::array())) {
    const std::string phase =
        fmt::format("{}, batch {}", part["phase"].get<std::string>(), part["batch"].get<uint32_t>());
    if (phase != heading) fmt::print("  time of {}:\n", phase);
    heading = phase;
    fmt::print("    {:<18}{:>9.3f} s {:>5.1f}%\n", part["operation"].get<std::string>(),
               part["seconds"].get<double>(), 100 * part["share"].get<double>());
  }
}

/// Finds out before the work whether there is something to measure, and room for it.
void check_lengths(BenchFlags& options, uint32_t context) {
  BenchOptions& bench = options.bench;
  bench.fit_defaults(context, options.prompt->count() > 0, options.generate->count() > 0);
  if (bench.prompt == 0 && bench.generate == 0) {
    throw_usage("there is nothing to measure: --prompt and --generate are both 0");
  }
  if (bench.prompt > context || uint64_t(bench.depth) + bench.generate > context) {
    throw_usage("{}: its context is {} tokens; give a smaller --prompt, --depth and --generate",
                options.model, context);
  }
}

void run_bench(BenchFlags& options) {
  options.json.check({options.model});
  Progress::set_quiet(options.common.quiet);
  const auto checkpoint = Checkpoint::open(options.model);
  check_lengths(options, checkpoint->config().context_length);
  const double before_roofs = process_age();
  // First, while this process has one thread.
  const std::vector<Roofs> steps = measure_roof_steps(options.common.threads, options.common.affinity);
  const auto start = std::chrono::steady_clock::now();
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto model = Model::load(checkpoint, pool);
  // From the start of the process to ready, without the roofs.
  const double load_s =
      before_roofs + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const WeightTraffic traffic = weight_traffic(*model);
  options.bench.settings = [&](uint32_t tokens, uint32_t logits) {
    return candidate_settings(steps, *model, tokens, logits);
  };
  const BenchResult bench = run_bench(model, pool, options.bench);
  const Roofs roofs = highest(steps);
  ordered_json result = {{"model", options.model},
                         {"load_s", load_s},
                         {"peak_rss_bytes", process_usage().peak_resident_bytes},
                         {"threads", pool.size()},
                         {"isa", isa_name(selected_isa())},
                         {"roof", to_json(roofs)}};
  for (const Roofs& step : steps) result["roof"]["steps"].push_back(to_json(step));
  result.update(to_json(bench, traffic, &roofs));
  if (!options.json.to_stdout()) print_summary(result);
  options.json.write(result);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchFlags>();
  CLI::App* command = add_command(app, "bench", "Measure speed beside the machine's roofs", options->common,
                                  [options] { run_bench(*options); });
  command->add_option("MODEL", options->model, "GGUF file or Hugging Face directory")->required();
  options->prompt = command->add_option("--prompt", options->bench.prompt, "Tokens of prefill; 0: none");
  options->prompt->capture_default_str();
  options->generate = command->add_option("--generate", options->bench.generate, "Tokens to decode; 0: none")
                          ->capture_default_str();
  command->add_option("--batch", options->bench.batches, "Sequences that decode together, such as 1,2,4,8")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--depth", options->bench.depth,
                   "Tokens that each sequence holds already when it decodes, filled with random values")
      ->capture_default_str();
  command
      ->add_option("--repeat", options->bench.repeat,
                   "Runs of each, after one that warms up; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--profile", options->bench.profile, "Also tell where the time goes, by operation");
  add_kv_type_option(*command, options->bench.kv_type);
  options->json.add_to(*command);
}

}  // namespace nibble
