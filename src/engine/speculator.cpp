#include "engine/speculator.h"

#include <algorithm>

#include "sampling/lookup_draft.h"

namespace nibble {

namespace {

/// So much more than without guesses must be expected: rates and times are estimates.
constexpr double kMargin = 1.1;

}  // namespace

Speculator::Speculator(std::shared_ptr<const StepTimes> times, bool always)
    : times_(std::move(times)), always_(always) {
  // Longer matches are right more often.
  for (size_t match = 0; match <= kLongestMatch; ++match) {
    lookup_rates_[match] = AcceptanceRate(0.15 + 0.08 * double(match));
  }
}

size_t Speculator::worthwhile(std::span<const double> rates, size_t step_tokens, double seconds_each) const {
  if (always_) return rates.size();
  const double alone = times_->estimate(step_tokens);
  if (alone <= 0) return 0;  // nothing is known yet
  double best = kMargin * double(step_tokens) / alone;
  double expected = double(step_tokens), all_right = 1;
  size_t count = 0;
  for (size_t k = 1; k <= rates.size() && step_tokens + k <= StepTimes::kMostTokens; ++k) {
    all_right *= rates[k - 1];
    expected += all_right;
    const double rate = expected / (times_->estimate(step_tokens + k) + double(k) * seconds_each);
    if (rate <= best) continue;
    best = rate;
    count = k;
  }
  return count;
}

void Speculator::guess_by_lookup(std::span<const int32_t> history, size_t most, size_t step_tokens) {
  const LookupDraft found = lookup_draft(history, std::min(most, kMostDrafted), 2, kLongestMatch);
  guess_.assign(found.tokens.begin(), found.tokens.end());
  match_ = found.match;
  std::vector<double> rates;
  for (size_t i = 0; i < guess_.size(); ++i) {
    rates.push_back(lookup_rates_[std::min(match_ + i, kLongestMatch)].value());
  }
  drafted_ = worthwhile(rates, step_tokens, 0);
}

void Speculator::guess_by_model(std::span<const int32_t> history, size_t most, size_t step_tokens) {
  if (rest_ > 0) {
    --rest_;
    return;
  }
  const std::vector<double> rates(std::min(most, kMostDrafted), model_rate_.value());
  drafted_ = worthwhile(rates, step_tokens, model_->seconds_per_token());
  if (drafted_ == 0) {
    // Does not pay now: one token is tried now and then, to see whether that has changed.
    rest_ = pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
    drafted_ = std::min<size_t>(most, 1);
  } else {
    pause_ = kFirstPause;
  }
  by_model_ = drafted_ > 0;
  guess_ = model_->draft(history, drafted_);
  drafted_ = guess_.size();
}

std::span<const int32_t> Speculator::draft(std::span<const int32_t> history, size_t most,
                                           size_t step_tokens) {
  before_ = history.size();
  drafted_ = 0;
  by_model_ = false;
  guess_by_lookup(history, most, step_tokens);
  if (drafted_ == 0 && model_ && most > 0) guess_by_model(history, most, step_tokens);
  return std::span(guess_).first(drafted_);
}

void Speculator::learn(std::span<const int32_t> history) {
  const auto came = history.subspan(std::min(before_, history.size()));
  for (size_t i = 0; i < std::min(came.size(), guess_.size()); ++i) {
    const bool right = came[i] == guess_[i];
    AcceptanceRate& rate = by_model_ ? model_rate_ : lookup_rates_[std::min(match_ + i, kLongestMatch)];
    rate.add(right);
    if (!right) break;
  }
  guess_.clear();
}

}  // namespace nibble
