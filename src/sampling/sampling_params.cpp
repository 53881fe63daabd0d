#include "sampling/sampling_params.h"

#include <cmath>

#include "base/error.h"

namespace nibble {

void SamplingParams::check() const {
  // Comparisons are written so that NaN fails them.
  auto require = [](bool ok, const char* name, auto value, const char* allowed) {
    if (!ok) fail("{} is {}, but must be {}", name, value, allowed);
  };
  require(temperature > 0 && std::isfinite(temperature), "temperature", temperature,
          "above 0; for the most probable token use greedy decoding");
  require(top_k >= 0, "top_k", top_k, "0 (off) or the number of tokens to keep");
  require(top_p > 0 && top_p <= 1, "top_p", top_p, "above 0 and at most 1 (off)");
  require(min_p >= 0 && min_p <= 1, "min_p", min_p, "from 0 (off) to 1");
  require(typical_p > 0 && typical_p <= 1, "typical_p", typical_p, "above 0 and at most 1 (off)");
  require(epsilon_cutoff >= 0 && epsilon_cutoff < 1, "epsilon_cutoff", epsilon_cutoff,
          "a probability from 0 (off) to below 1");
  require(eta_cutoff >= 0 && eta_cutoff < 1, "eta_cutoff", eta_cutoff,
          "a probability from 0 (off) to below 1");
  require(repetition_penalty > 0 && std::isfinite(repetition_penalty), "repetition_penalty",
          repetition_penalty, "above 0; 1 is off");
  require(std::abs(presence_penalty) <= 2, "presence_penalty", presence_penalty, "from -2 to 2; 0 is off");
  require(std::abs(frequency_penalty) <= 2, "frequency_penalty", frequency_penalty, "from -2 to 2; 0 is off");
  for (const auto& [token, bias] : logit_bias) {
    require(token >= 0, "a token of logit_bias", token, "an id of the vocabulary");
    require(std::abs(bias) <= 100, "logit_bias", bias, "from -100 to 100");
  }
}

}  // namespace nibble
