#include "sampling/sampler.h"

#include <vector>

namespace nibble {

namespace {

/// Six digits are enough to tell answers apart, and a person can type them again.
uint64_t random_seed() {
  return std::random_device{}() % 999'999 + 1;
}

}  // namespace

Sampler::Sampler(const SamplingParams& params) : params_(params) {
  params_.check();
  if (params_.seed == 0) params_.seed = random_seed();
  random_.seed(params_.seed);
}

/// In [0, 1), from the generator's bits: the standard's distributions differ between libraries.
double Sampler::uniform() {
  return double(random_() >> 11) * 0x1p-53;
}

int32_t Sampler::sample(std::span<float> logits, const TokenContext& context) {
  const Candidates candidates = process_scores(params_, logits, context);
  if (candidates.size() == 1) return candidates.front().id;

  std::vector<double> weights;
  double left = uniform() * exponentials(candidates, weights);
  size_t chosen = candidates.size();
  for (size_t i = 0; i < candidates.size() && left >= 0; ++i) {
    if (weights[i] == 0) continue;
    chosen = i;  // rounding may leave a rest after the last one: it is taken then
    left -= weights[i];
  }
  return candidates[chosen].id;
}

}  // namespace nibble
