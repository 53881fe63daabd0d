#include "cli/decoding_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/kv_type_option.h"

namespace nibble {

namespace {

constexpr std::array kParameters = {
    DecodingParameter{"max_new_tokens", "Tokens of the answer at most", &GenerateParams::max_new_tokens},
    DecodingParameter{"greedy", "Always the most probable token, nothing random", &SamplingParams::greedy},
    DecodingParameter{"seed", "Repeats a random answer; 0: a new one every time; no effect on greedy ones",
                      &SamplingParams::seed},
    DecodingParameter{"temperature", "Above 1 more random, below 1 less", &SamplingParams::temperature},
    DecodingParameter{"top_k", "The k most probable tokens; 0: all", &SamplingParams::top_k},
    DecodingParameter{"top_p", "The fewest most probable tokens that reach this; 1: all",
                      &SamplingParams::top_p},
    DecodingParameter{"min_p", "No tokens below this share of the best one; 0: off", &SamplingParams::min_p},
    DecodingParameter{"typical_p", "The tokens of most typical information that reach this; 1: all",
                      &SamplingParams::typical_p},
    DecodingParameter{"epsilon_cutoff", "No tokens less probable than this; 0: off",
                      &SamplingParams::epsilon_cutoff},
    DecodingParameter{"eta_cutoff", "The same, adapted to the entropy of the choice; 0: off",
                      &SamplingParams::eta_cutoff},
    DecodingParameter{"repetition_penalty", "Above 1 makes what is there already less probable",
                      &SamplingParams::repetition_penalty},
};

/// The parameter's place in params, whichever structure its member belongs to.
template <typename Params, typename T>
auto& place(Params& params, T SamplingParams::*member) {
  return params.sampling.*member;
}
template <typename Params, typename T>
auto& place(Params& params, T GenerateParams::*member) {
  return params.*member;
}

void parse(const std::string& name, const std::string& text, bool& value) {
  const std::map<std::string, bool> words = {{"on", true},   {"true", true},   {"yes", true}, {"1", true},
                                             {"off", false}, {"false", false}, {"no", false}, {"0", false}};
  const auto found = words.find(text);
  if (found == words.end()) fail("{} is {}, but must be on or off", name, text);
  value = found->second;
}

template <typename T>
void parse(const std::string& name, const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) {
    fail("{} is '{}', but must be {}", name, text,
         std::is_floating_point_v<T> ? "a number"
         : std::is_unsigned_v<T>     ? "a whole number, not negative"
                                     : "a whole number");
  }
}

}  // namespace

std::span<const DecodingParameter> decoding_parameters() {
  return kParameters;
}

const DecodingParameter* find_decoding_parameter(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  const auto found = std::find_if(kParameters.begin(), kParameters.end(),
                                  [&](const DecodingParameter& p) { return name == p.name; });
  return found == kParameters.end() ? nullptr : &*found;
}

bool DecodingParameter::shapes_sampling() const {
  return flag() != "--repetition-penalty" && (std::holds_alternative<float SamplingParams::*>(member) ||
                                              std::holds_alternative<int SamplingParams::*>(member));
}

std::string DecodingParameter::flag() const {
  std::string flag = std::string("--") + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string DecodingParameter::get(const GenerateParams& params) const {
  return std::visit(
      [&](auto m) {
        const auto& value = place(params, m);
        if constexpr (std::is_same_v<decltype(value), const bool&>) return std::string(value ? "on" : "off");
        return fmt::format("{}", value);
      },
      member);
}

void DecodingParameter::set(GenerateParams& params, const std::string& value) const {
  GenerateParams changed = params;
  std::visit([&](auto m) { parse(name, value, place(changed, m)); }, member);
  changed.sampling.check();
  if (changed.max_new_tokens == 0) fail("max_new_tokens is 0, but must be at least 1");
  params = std::move(changed);
}

void add_decoding_options(CLI::App& command, DecodingOptions& options) {
  constexpr const char* kGroup = "Decoding";
  for (const DecodingParameter& parameter : kParameters) {
    std::visit(
        [&](auto member) {
          auto& value = place(options.params, member);
          const std::string flag = parameter.flag();
          if constexpr (std::is_same_v<decltype(value), bool&>) {
            command.add_flag(flag, value, parameter.description)->group(kGroup);
          } else {
            const auto read = [&value, flag](const std::string& text) {
              try {
                parse(flag, text, value);
              } catch (const Error& error) {
                throw UsageError(error.what());
              }
            };
            command.add_option_function<std::string>(flag, read, parameter.description)
                ->default_str(fmt::format("{}", value))
                ->type_name(std::is_floating_point_v<std::remove_reference_t<decltype(value)>> ? "FLOAT"
                                                                                               : "INT")
                ->group(kGroup);
          }
        },
        parameter.member);
  }
  command.add_option("--stop", options.params.stop, "Ends the answer before this text; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kGroup);
  command
      .add_option(
          "--context", options.engine.context,
          "Tokens that the prompt and the answer may have together; default: the model's, at most 4096")
      ->check(at_least_one());
  add_kv_type_option(command, options.engine.kv_type);
}

void check_decoding_options(const CLI::App& command, const DecodingOptions& options) {
  try {
    options.params.sampling.check();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  if (options.params.max_new_tokens == 0) throw UsageError("max_new_tokens is 0, but must be at least 1");
  for (const std::string& stop : options.params.stop) {
    if (stop.empty()) throw UsageError("--stop is empty, so nothing would stop there: give it a text");
  }
  if (!options.params.sampling.greedy) return;
  for (const DecodingParameter& parameter : kParameters) {
    if (!parameter.shapes_sampling() || command.count(parameter.flag()) == 0) continue;
    throw UsageError(fmt::format(
        "--greedy always takes the most probable token, so {} has no effect: leave one of them out",
        parameter.flag()));
  }
}

}  // namespace nibble
