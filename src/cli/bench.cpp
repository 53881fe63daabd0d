#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

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

void print_speed(const std::string& what, const ordered_json& speed) {
  const auto& runs = speed["runs"];
  fmt::print("  {:<20}{:>9.1f} tokens/s  ({:.1f} to {:.1f}), {:3.0f}% of the roof\n", what,
             speed["tokens_per_s"].get<double>(), runs.front().get<double>(), runs.back().get<double>(),
             100 * speed["of_roof"].get<double>());
}

void print_summary(const ordered_json& result, const ThreadPool& pool) {
  fmt::print("{}: loaded in {:.2f} s, {} at most resident\n", result["model"].get<std::string>(),
             result["load_s"].get<double>(), readable_bytes(result["peak_rss_bytes"].get<uint64_t>()));
  fmt::print("  roofs of {} thread{} ({}): read {:.1f} GB/s, int8 {:.0f} Gop/s\n", pool.size(),
             pool.size() == 1 ? "" : "s", isa_name(selected_isa()), result["roof"]["read_gb_s"].get<double>(),
             result["roof"]["int8_gops"].get<double>());
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

void run_bench(BenchFlags& options) {
  options.json.check({options.model});
  Progress::set_quiet(options.common.quiet);
  const auto start = std::chrono::steady_clock::now();
  ThreadPool pool(options.common.threads, options.common.affinity);
  const auto model = Model::load(Checkpoint::open(options.model), pool);
  const double load_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  options.bench.fit_defaults(model->config().context_length, options.prompt->count() > 0,
                             options.generate->count() > 0);
  const BenchResult bench = run_bench(model, pool, options.bench);
  // Before the roofs, whose buffer is no part of the model's memory.
  const uint64_t peak = process_usage().peak_resident_bytes;
  const Roofs roofs = measure_roofs(pool);
  ordered_json result = {
      {"model", options.model},
      {"load_s", load_s},
      {"peak_rss_bytes", peak},
      {"threads", pool.size()},
      {"isa", isa_name(selected_isa())},
      {"roof", {{"read_gb_s", roofs.read_bytes_per_s / 1e9}, {"int8_gops", roofs.int8_ops_per_s / 1e9}}}};
  result.update(to_json(bench, weight_traffic(*model), &roofs));
  if (!options.json.to_stdout()) print_summary(result, pool);
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
