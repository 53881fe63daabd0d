#include "optimize/bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/comparison.h"

namespace nibble {

namespace {

/// A plan that uses less of its bound of loss than this leaves room for a smaller one.
constexpr double kUsed = 0.85;
/// What the next plan aims at, so that it does not break the bound by a hair.
constexpr double kAim = 0.95;
/// Questions of ARC lost per nat, until it was measured.
constexpr double kArcPerNat = 0.15;

uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

/// As short_bytes(), but rounded up: a bound that is taken as it is printed works.
std::string enough_bytes(uint64_t bytes) {
  const uint64_t step = bytes < 1'000'000       ? 100
                        : bytes < 100'000'000   ? 100'000
                        : bytes < 1'000'000'000 ? 1'000'000
                                                : 10'000'000;
  return short_bytes((bytes + step - 1) / step * step);
}

}  // namespace

PlanBounds::PlanBounds(const OptimizeRequest& request, uint64_t rest_bytes, uint64_t rest_memory)
    : request_(request),
      rest_bytes_(rest_bytes),
      rest_memory_(rest_memory),
      loss_scale_(request.metric == LossMetric::arc ? kArcPerNat : 1.0) {}

Bounds PlanBounds::bounds() const {
  Bounds bounds;
  if (request_.max_size) bounds.bytes = less(*request_.max_size, rest_bytes_);
  if (request_.max_memory) {
    const uint64_t most = less(*request_.max_memory, rest_memory_);
    bounds.bytes = std::min(bounds.bytes.value_or(most), most);
  }
  if (request_.min_speed) bounds.seconds = (1 / *request_.min_speed - rest_seconds_) / seconds_scale_;
  if (!request_.max_loss) return bounds;
  double loss = kAim * *request_.max_loss / loss_scale_;
  // Between what was good and what was bad the middle of the logarithms.
  if (least_bad_ && loss >= *least_bad_) loss = kAim * *least_bad_;
  // The error of a measurement does not fall with the loss: bolder from one broken bound to the next.
  if (bad_ > 1) loss = std::min(loss, std::ldexp(*least_bad_, 1 - bad_));
  if (least_bad_ && most_good_ > 0) loss = std::sqrt(most_good_ * *least_bad_);
  bounds.loss = loss;
  return bounds;
}

std::string PlanBounds::learn(const Plan& plan, const Measured& measured) {
  rest_bytes_ = less(measured.file_bytes, plan.bytes);
  rest_memory_ = less(measured.memory_bytes, plan.bytes);
  if (measured.tokens_per_s > 0 && plan.seconds > 0) {
    const double seconds = 1 / measured.tokens_per_s;
    seconds_scale_ = std::min(1.0, seconds / plan.seconds);
    rest_seconds_ = seconds - seconds_scale_ * plan.seconds;
  }
  if (request_.max_loss) learn_loss(plan, measured.loss(request_.metric));
  if (request_.max_size && measured.file_bytes > *request_.max_size) {
    return fmt::format("--max-size {}: the file has {}", short_bytes(*request_.max_size),
                       short_bytes(measured.file_bytes));
  }
  if (request_.max_memory && measured.memory_bytes > *request_.max_memory) {
    return fmt::format("--max-memory {}: it takes {}", short_bytes(*request_.max_memory),
                       short_bytes(measured.memory_bytes));
  }
  if (request_.min_speed && measured.tokens_per_s < *request_.min_speed) {
    return fmt::format("--min-speed {}: it reaches {:.1f} tokens/s", *request_.min_speed,
                       measured.tokens_per_s);
  }
  if (request_.max_loss && measured.loss(request_.metric).upper > *request_.max_loss) {
    const MeasuredLoss loss = measured.loss(request_.metric);
    return fmt::format("--max-loss {}: it loses {}, with 95% confidence less than {}",
                       bound_text(request_.metric, *request_.max_loss), loss_text(request_.metric, loss.mean),
                       loss_text(request_.metric, loss.upper));
  }
  return {};
}

void PlanBounds::learn_loss(const Plan& plan, const MeasuredLoss& loss) {
  // The confidence counts as part of the loss: it hardly changes from one plan to the next.
  if (loss.upper > 0 && plan.loss > 0) loss_scale_ = loss.upper / plan.loss;
  const bool good = loss.upper <= *request_.max_loss;
  if (good) {
    most_good_ = std::max(most_good_, plan.loss);
    bad_ = 0;
  } else {
    least_bad_ = std::min(least_bad_.value_or(plan.loss), plan.loss);
    if (most_good_ == 0) ++bad_;
  }
  const bool narrow = least_bad_ && most_good_ > kUsed * *least_bad_;
  has_room_ = good && loss.upper < kUsed * *request_.max_loss && !narrow;
}

std::string PlanBounds::explain(const Choices& choices) const {
  const Bounds all = bounds();
  std::vector<std::string> given, nearest;
  if (request_.max_size) given.push_back("--max-size " + short_bytes(*request_.max_size));
  if (request_.max_memory) given.push_back("--max-memory " + short_bytes(*request_.max_memory));
  if (request_.max_loss) given.push_back("--max-loss " + bound_text(request_.metric, *request_.max_loss));
  if (request_.min_speed) given.push_back(fmt::format("--min-speed {}", *request_.min_speed));
  if (all.bytes) {
    // The smallest: without a bound of loss, of any loss.
    constexpr double kAny = std::numeric_limits<double>::infinity();
    const auto plan = find_plan(choices, {{}, all.loss.value_or(kAny), all.seconds});
    if (plan && request_.max_size) nearest.push_back("--max-size " + enough_bytes(file_bytes(*plan)));
    if (plan && request_.max_memory) {
      nearest.push_back("--max-memory " + enough_bytes(plan->bytes + rest_memory_));
    }
  }
  if (all.loss) {
    const auto plan = find_plan(choices, {all.bytes, {}, all.seconds});
    if (plan && plan->loss > 0)
      nearest.push_back("--max-loss " + bound_text(request_.metric, predicted_loss(*plan) / kAim));
  }
  if (all.seconds) {
    const auto plan = fastest_plan(choices, all);
    if (plan) {
      nearest.push_back(
          fmt::format("--min-speed {:.1f}", 1 / (plan->seconds * seconds_scale_ + rest_seconds_)));
    }
  }
  const std::string works = nearest.empty()
                                ? "each is out of reach by itself; loosen them all, or allow more --types"
                                : fmt::format("nearest that should work: {}", fmt::join(nearest, ", or "));
  return fmt::format("no choice of formats keeps to {}; {}", fmt::join(given, " and "), works);
}

}  // namespace nibble
