#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>

#include "base/affinity.h"

namespace nibble {

/// What every command takes.
struct CommonOptions {
  int threads = 0;  ///< 0: one per physical core
  Affinity affinity = Affinity::none;
  bool quiet = false;  ///< no progress
};

/// Adds a command with --threads and --quiet. The action runs after parsing; it throws Error
/// (exit 1) or UsageError (exit 2).
template <typename Action>
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      CommonOptions& common, Action action) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("--threads", common.threads, "Threads to use; default: one per physical core")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option_function<std::string>(
          "--affinity",
          [&common](const std::string& place) {
            common.affinity = place == "cores" ? Affinity::cores : Affinity::none;
          },
          "cores: bind each thread to a core of its own, if all cores are used; default: none, the system "
          "places them")
      ->check(CLI::IsMember({"none", "cores"}));
  // As NIBBLE_ISA, it is asked for wherever weights meet their kernels.
  command
      ->add_option_function<std::string>(
          "--activations", [](const std::string& form) { setenv("NIBBLE_ACTIVATIONS", form.c_str(), 1); },
          "f32: multiply quantized weights with float32 activations, slower and exact; default: int8")
      ->check(CLI::IsMember({"int8", "f32"}));
  command->add_flag("--quiet", common.quiet, "Print no progress");
  command->callback(action);
  return command;
}

/// For counts: CLI11's own PositiveNumber names a bound of three hundred digits.
inline CLI::Validator at_least_one() {
  return CLI::Range(uint32_t{1}, uint32_t{1} << 30);
}

/// For real numbers: CLI11's own Range takes NaN.
inline CLI::Validator real_between(double low, double high) {
  const auto check = [low, high](std::string& text) {
    double value = 0;
    const bool within = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return within ? std::string() : fmt::format("Value {} not in range [{} - {}]", text, low, high);
  };
  return {check, fmt::format("FLOAT in [{} - {}]", low, high)};
}

/// For seeds: CLI11 takes -1 for the largest number there is.
inline CLI::Validator not_negative() {
  const auto error = [](const std::string& text) {
    uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, failed] = std::from_chars(text.data(), end, value);
    return failed == std::errc() && stopped == end
               ? std::string()
               : "'" + text + "' is not a whole number from 0 to 2^64 - 1";
  };
  return CLI::Validator(error, "");
}

// One file each, named after the command. Options live in a static or shared structure of that file.
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_logits(CLI::App& app);
void add_imatrix(CLI::App& app);
void add_quantize(CLI::App& app);
void add_eval(CLI::App& app);
void add_compare(CLI::App& app);
void add_bench(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_optimize(CLI::App& app);
void add_serve(CLI::App& app);
void add_pack(CLI::App& app);
void add_synth(CLI::App& app);

}  // namespace nibble
