#include "sampling/beam_params.h"

#include <cmath>

#include "base/error.h"

namespace nibble {

namespace {

constexpr uint32_t kMostBeams = 256;

void check_without_beams(const BeamParams& p) {
  const auto refuse = [](const char* name, auto value) {
    fail("{} is {}, but without beams it has no effect: set num_beams to 2 or more, or leave it out", name,
         value);
  };
  if (p.num_beam_groups > 1) refuse("num_beam_groups", p.num_beam_groups);
  if (p.diversity_penalty != 0) refuse("diversity_penalty", p.diversity_penalty);
  if (p.length_penalty != 1) refuse("length_penalty", p.length_penalty);
  if (p.early_stopping != EarlyStopping::off) {
    refuse("early_stopping", p.early_stopping == EarlyStopping::on ? "on" : "never");
  }
}

void check_groups(const BeamParams& p, const SamplingParams& sampling) {
  if (p.num_beams % p.num_beam_groups != 0) {
    fail("num_beams {} cannot be divided into num_beam_groups {}: make it a multiple", p.num_beams,
         p.num_beam_groups);
  }
  if (p.num_beam_groups == 1) {
    if (p.diversity_penalty == 0) return;
    fail(
        "diversity_penalty is {}, but there is one group of beams: set num_beam_groups to 2 or more, or "
        "leave "
        "it out",
        p.diversity_penalty);
  }
  if (!sampling.greedy) {
    fail(
        "num_beam_groups is {}, but groups of beams take no random samples: use greedy decoding, or leave "
        "the "
        "groups out",
        p.num_beam_groups);
  }
  if (p.diversity_penalty == 0) {
    fail(
        "num_beam_groups is {}, but diversity_penalty is 0, so that all groups would be the same: set it "
        "above 0",
        p.num_beam_groups);
  }
}

}  // namespace

void BeamParams::check(const SamplingParams& sampling) const {
  if (num_beams < 1 || num_beams > kMostBeams) {
    fail("num_beams is {}, but must be from 1 (off) to {}", num_beams, kMostBeams);
  }
  if (num_beam_groups < 1) fail("num_beam_groups is 0, but must be at least 1");
  if (num_return_sequences < 1) fail("num_return_sequences is 0, but must be at least 1");
  // Written so that NaN fails.
  if (!(diversity_penalty >= 0 && std::isfinite(diversity_penalty))) {
    fail("diversity_penalty is {}, but must be 0 (off) or above", diversity_penalty);
  }
  if (!std::isfinite(length_penalty)) fail("length_penalty is {}, but must be a number", length_penalty);
  if (!searches()) return check_without_beams(*this);
  check_groups(*this, sampling);
  if (num_return_sequences > num_beams) {
    fail("num_return_sequences is {}, but there are only num_beams {} answers to return: raise num_beams",
         num_return_sequences, num_beams);
  }
}

}  // namespace nibble
