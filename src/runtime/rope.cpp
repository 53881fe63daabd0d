#include "runtime/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/vector_ops.h"

namespace nibble {

namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

std::vector<double> plain_frequencies(const RopeConfig& config, double theta) {
  std::vector<double> frequencies(config.dims / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(theta, -2.0 * double(i) / config.dims);
    if (!config.freq_factors.empty()) frequencies[i] /= config.freq_factors[i];
  }
  return frequencies;
}

/// NTK-aware scaling with a factor that follows the length (bloc97 and emozilla 2023).
double dynamic_theta(const RopeConfig& config, uint32_t length, uint32_t original_context) {
  const double factor = config.factor, dims = config.dims;
  const double stretch = factor * std::max(length, original_context) / original_context - (factor - 1.0);
  return config.theta * std::pow(stretch, dims / (dims - 2.0));
}

/// Llama 3.1: long wavelengths are divided by the factor, short ones kept, those between blended.
double llama3_frequency(const RopeConfig& config, double frequency, uint32_t original_context) {
  const double turns = original_context * frequency / kTwoPi;  // within the original context
  if (turns < config.low_freq_factor) return frequency / config.factor;
  if (turns > config.high_freq_factor) return frequency;
  const double smooth = (turns - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor);
  return (1.0 - smooth) * frequency / config.factor + smooth * frequency;
}

/// YaRN (Peng et al. 2023), section 3.2: pairs that turn more than beta_fast times within the original
/// context are kept, those that turn less than beta_slow times are interpolated, with a ramp between.
void scale_yarn(const RopeConfig& config, uint32_t original_context, std::vector<double>& frequencies) {
  const double dims = config.dims;
  const auto pair_with_turns = [&](double turns) {
    return dims * std::log(original_context / (turns * kTwoPi)) / (2.0 * std::log(double(config.theta)));
  };
  const double low = std::max(std::floor(pair_with_turns(config.beta_fast)), 0.0);
  double high = std::min(std::ceil(pair_with_turns(config.beta_slow)), dims - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / config.factor * ramp + frequencies[i] * (1.0 - ramp);
  }
}

}  // namespace

Rope::Rope(const ModelConfig& config)
    : config_(config.rope),
      original_context_(config.rope.original_context ? config.rope.original_context : config.context_length),
      base_(plain_frequencies(config_, config_.theta)) {
  switch (config_.scaling) {
    case RopeScaling::none:
    case RopeScaling::dynamic:
      break;
    case RopeScaling::linear:
      for (double& frequency : base_) frequency /= config_.factor;
      break;
    case RopeScaling::llama3:
      for (double& frequency : base_) frequency = llama3_frequency(config_, frequency, original_context_);
      break;
    case RopeScaling::yarn:
      scale_yarn(config_, original_context_, base_);
      attention_factor_ = config_.factor > 1.0f ? 0.1 * std::log(double(config_.factor)) + 1.0 : 1.0;
      if (config_.attention_factor) attention_factor_ = *config_.attention_factor;
      break;
  }
}

std::vector<double> Rope::frequencies(uint32_t length) const {
  if (config_.scaling != RopeScaling::dynamic || length <= original_context_) return base_;
  return plain_frequencies(config_, dynamic_theta(config_, length, original_context_));
}

void Rope::angles(const std::vector<double>& frequencies, uint32_t position, float* cosines,
                  float* sines) const {
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = frequencies[i] * position;
    cosines[i] = float(std::cos(angle) * attention_factor_);
    sines[i] = float(std::sin(angle) * attention_factor_);
  }
}

void Rope::rotate(float* head, const float* cosines, const float* sines) const {
  if (config_.layout == RopeLayout::interleaved) {
    vector_ops().rotate_interleaved(head, cosines, sines, pairs());
  } else {
    vector_ops().rotate_halves(head, cosines, sines, pairs());
  }
}

}  // namespace nibble
