#include "cli/decoding_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/kv_type_option.h"
#include "sampling/grammar/grammar.h"

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
    DecodingParameter{"presence_penalty", "Taken from the score of each token that the answer has already",
                      &SamplingParams::presence_penalty},
    DecodingParameter{"frequency_penalty", "The same for each time that the answer has it",
                      &SamplingParams::frequency_penalty},
    DecodingParameter{"num_beams", "Answers that are searched side by side; 1: no beam search",
                      &BeamParams::num_beams},
    DecodingParameter{"num_beam_groups", "Groups of beams that differ from each other",
                      &BeamParams::num_beam_groups},
    DecodingParameter{"diversity_penalty",
                      "For a token that an earlier group of beams chose; above 0 with groups",
                      &BeamParams::diversity_penalty},
    DecodingParameter{"length_penalty", "Above 0 prefers longer answers of beams, below shorter ones",
                      &BeamParams::length_penalty},
    DecodingParameter{"early_stopping",
                      "When enough beams are complete: on ends at once, off and never look on",
                      &BeamParams::early_stopping},
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
template <typename Params, typename T>
auto& place(Params& params, T BeamParams::*member) {
  return params.beams.*member;
}

void parse(const std::string& name, const std::string& text, bool& value) {
  const std::map<std::string, bool> words = {{"on", true},   {"true", true},   {"yes", true}, {"1", true},
                                             {"off", false}, {"false", false}, {"no", false}, {"0", false}};
  const auto found = words.find(text);
  if (found == words.end()) fail("{} is {}, but must be on or off", name, text);
  value = found->second;
}

void parse(const std::string& name, const std::string& text, EarlyStopping& value) {
  const std::map<std::string, EarlyStopping> words = {{"off", EarlyStopping::off},
                                                      {"false", EarlyStopping::off},
                                                      {"on", EarlyStopping::on},
                                                      {"true", EarlyStopping::on},
                                                      {"never", EarlyStopping::never}};
  const auto found = words.find(text);
  if (found == words.end()) fail("{} is {}, but must be on, off or never", name, text);
  value = found->second;
}

const char* type_name(float) {
  return "FLOAT";
}
const char* type_name(EarlyStopping) {
  return "on|off|never";
}
template <typename T>
const char* type_name(T) {
  return "INT";
}

std::string to_text(bool value) {
  return value ? "on" : "off";
}
std::string to_text(EarlyStopping value) {
  return value == EarlyStopping::never ? "never" : to_text(value == EarlyStopping::on);
}
template <typename T>
std::string to_text(const T& value) {
  return fmt::format("{}", value);
}

template <typename T>
void parse(const std::string& name, const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) fail("{} is {}, which is too large", name, text);
  if (error != std::errc() || stopped != end) {
    fail("{} is '{}', but must be {}", name, text,
         std::is_floating_point_v<T> ? "a number"
         : std::is_unsigned_v<T>     ? "a whole number, not negative"
                                     : "a whole number");
  }
}

/// Takes ID=VALUE apart.
std::pair<int32_t, float> parse_logit_bias(const std::string& text) {
  const size_t equals = std::min(text.find('='), text.size());
  std::pair<int32_t, float> bias;
  if (equals == text.size()) fail("--logit-bias {} is not a token's id and a number, as in 42=-1.5", text);
  parse("the token of --logit-bias", text.substr(0, equals), bias.first);
  parse("the value of --logit-bias", text.substr(equals + 1), bias.second);
  return bias;
}

void add_grammar_options(CLI::App& command, DecodingOptions& options) {
  constexpr const char* kGroup = "Structured output";
  auto* schema = command.add_option("--json-schema", options.json_schema,
                                    "A file with a JSON schema: the answer is a JSON text that fulfils it");
  auto* regex =
      command.add_option("--regex", options.regex, "The whole answer matches this regular expression");
  auto* json = command.add_flag("--json-mode", options.json_mode, "The answer is a JSON object");
  for (CLI::Option* option : {schema, regex, json}) option->group(kGroup);
  schema->excludes(regex)->excludes(json);
  regex->excludes(json);
}

void add_speculation_options(CLI::App& command, DecodingOptions& options) {
  constexpr const char* kGroup = "Speculation";
  auto* model =
      command
          .add_option_function<std::string>(
              "--draft-model", [&options](const std::string& path) { options.engine.draft_model = path; },
              "A small model with the same tokens that drafts what this one checks; answers stay the same")
          ->group(kGroup);
  command
      .add_flag("--no-speculation", options.no_speculation,
                "Do not guess tokens from what the text said before; answers stay the same")
      ->group(kGroup)
      ->excludes(model);
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
  return !std::string_view(name).ends_with("_penalty") &&
         (std::holds_alternative<float SamplingParams::*>(member) ||
          std::holds_alternative<int SamplingParams::*>(member));
}

std::string DecodingParameter::flag() const {
  std::string flag = std::string("--") + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string DecodingParameter::get(const GenerateParams& params) const {
  return std::visit([&](auto m) { return to_text(place(params, m)); }, member);
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
                ->default_str(to_text(value))
                ->type_name(type_name(value))
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
      .add_option("--logit-bias", options.logit_bias, "Adds to a token's score: ID=VALUE; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kGroup);
  add_grammar_options(command, options);
  add_speculation_options(command, options);
  command
      .add_option(
          "--context", options.engine.context,
          "Tokens that the prompt and the answer may have together; default: the model's, at most 4096")
      ->check(at_least_one());
  add_kv_type_option(command, options.engine.kv_type);
}

void check_decoding_options(const CLI::App& command, DecodingOptions& options) {
  const auto shapes = [&](const DecodingParameter& p) {
    return p.shapes_sampling() && command.count(p.flag()) > 0;
  };
  GenerateParams& params = options.params;
  if (params.beams.searches() && std::ranges::none_of(kParameters, shapes)) params.sampling.greedy = true;
  if (options.no_speculation) params.speculation = Speculation::off;
  try {
    for (const std::string& text : options.logit_bias) {
      params.sampling.logit_bias.push_back(parse_logit_bias(text));
    }
    params.sampling.check();
    params.beams.check(params.sampling);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  if (options.params.max_new_tokens == 0) throw UsageError("max_new_tokens is 0, but must be at least 1");
  for (const std::string& stop : options.params.stop) {
    if (stop.empty()) throw UsageError("--stop is empty, so nothing would stop there: give it a text");
  }
  if (!options.params.sampling.greedy) return;
  for (const DecodingParameter& parameter : kParameters) {
    if (!shapes(parameter)) continue;
    throw UsageError(fmt::format(
        "--greedy always takes the most probable token, so {} has no effect: leave one of them out",
        parameter.flag()));
  }
}

void set_grammar(const Engine& engine, DecodingOptions& options) {
  if (!options.json_schema.empty()) {
    options.params.grammar = Grammar::from_json_schema(read_file(options.json_schema), engine.token_table());
  } else if (options.regex) {
    try {
      options.params.grammar = Grammar::from_regex(*options.regex, engine.token_table());
    } catch (const Error& error) {
      throw UsageError("--regex: " + std::string(error.what()));
    }
  } else if (options.json_mode) {
    options.params.grammar = Grammar::json_object(engine.token_table());
  }
}

}  // namespace nibble
