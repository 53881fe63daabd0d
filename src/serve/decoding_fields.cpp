#include "serve/decoding_fields.h"

#include <charconv>
#include <string_view>

#include "base/error.h"
#include "serve/api_error.h"
#include "serve/output_fields.h"

namespace nibble {

namespace {

constexpr size_t kMostStops = 16;
/// Beyond it a temperature only adds noise to noise; OpenAI's bound is 2.
constexpr double kMostTemperature = 100;

struct NumberField {
  const char* name;
  float SamplingParams::*member;
  double least, most;
};

constexpr NumberField kNumbers[] = {
    {"top_p", &SamplingParams::top_p, 0, 1},
    {"min_p", &SamplingParams::min_p, 0, 1},
    {"typical_p", &SamplingParams::typical_p, 0, 1},
    {"epsilon_cutoff", &SamplingParams::epsilon_cutoff, 0, 1},
    {"eta_cutoff", &SamplingParams::eta_cutoff, 0, 1},
    {"repetition_penalty", &SamplingParams::repetition_penalty, 0, 1e6},
    {"presence_penalty", &SamplingParams::presence_penalty, -2, 2},
    {"frequency_penalty", &SamplingParams::frequency_penalty, -2, 2},
};

/// 0 asks the sampler for a random seed; a client that gives one wants its answer again.
uint64_t seed_from(int64_t given) {
  return given == 0 ? 0x9e3779b97f4a7c15u : uint64_t(given);
}

void read_logit_bias(const JsonFields& fields, size_t vocab, SamplingParams& sampling) {
  const auto* biases = fields.object("logit_bias");
  if (!biases) return;
  for (const auto& [token, value] : biases->items()) {
    int32_t id = -1;
    const char* end = token.data() + token.size();
    const auto [stopped, error] = std::from_chars(token.data(), end, id);
    if (error != std::errc() || stopped != end || id < 0 || size_t(id) >= vocab) {
      fail_field("logit_bias", "logit_bias names '{}', which is no token id from 0 to {}", token, vocab - 1);
    }
    const double bias = value.is_number() ? value.get<double>() : 1e9;
    if (!(bias >= -100 && bias <= 100)) {
      fail_field("logit_bias", "logit_bias of token {} must be a number from -100 to 100", token);
    }
    sampling.logit_bias.emplace_back(id, float(bias));
  }
}

/// temperature 0 is greedy decoding; so are beams, unless the request gives a temperature.
void read_temperature(const JsonFields& fields, GenerateParams& params) {
  const auto temperature = fields.number("temperature", 0, kMostTemperature);
  params.sampling.greedy = temperature ? *temperature == 0 : params.beams.searches();
  if (temperature && *temperature > 0) params.sampling.temperature = float(*temperature);
}

void read_stops(const JsonFields& fields, GenerateParams& params) {
  params.stop = fields.texts("stop");
  if (params.stop.size() > kMostStops) {
    fail_field("stop", "stop has {} texts, but may have {} at most", params.stop.size(), kMostStops);
  }
  for (const std::string& stop : params.stop) {
    if (stop.empty()) fail_field("stop", "stop has an empty text, where nothing would stop");
  }
}

}  // namespace

void read_decoding(const JsonFields& fields, size_t vocab, GenerateParams& params) {
  SamplingParams& sampling = params.sampling;
  for (const NumberField& field : kNumbers) {
    if (const auto value = fields.number(field.name, field.least, field.most)) {
      sampling.*field.member = float(*value);
    }
  }
  if (const auto top_k = fields.integer("top_k", -1, INT32_MAX)) sampling.top_k = std::max(0, int(*top_k));
  if (const auto seed = fields.integer("seed")) sampling.seed = seed_from(*seed);
  read_logit_bias(fields, vocab, sampling);
  read_stops(fields, params);
  const uint32_t choices = uint32_t(fields.integer("n", 1, kMostChoices).value_or(1));
  read_beams(fields, choices, params);
  read_temperature(fields, params);
  try {
    sampling.check();
    params.beams.check(sampling);
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
}

}  // namespace nibble
