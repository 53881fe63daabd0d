#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/draft_model.h"
#include "engine/step_times.h"

namespace nibble {

/// How often a guessed token was right, of late.
class AcceptanceRate {
 public:
  explicit AcceptanceRate(double expected = 0.5) : right_(2 * expected) {}
  double value() const { return right_ / tried_; }
  void add(bool right) {
    right_ = kKept * right_ + (right ? 1 : 0);
    tried_ = kKept * tried_ + 1;
  }

 private:
  static constexpr double kKept = 0.95;
  double right_, tried_ = 2;
};

/// Guesses how an answer goes on, so that one step of the model checks several tokens (speculative decoding,
/// Leviathan et al., arXiv 2211.17192): from what the text said before (lookup_draft), or by a small model.
/// Guesses only where it pays: it knows how often guesses like this one were right, also of those it kept to
/// itself, and what further tokens cost in a step.
class Speculator {
 public:
  /// `times` of the large model, which others share. `always`: costs do not count.
  explicit Speculator(std::shared_ptr<const StepTimes> times, bool always = false);

  /// From now on this model guesses too; none: lookup alone.
  void use(std::unique_ptr<DraftModel> model) { model_ = std::move(model); }

  /// The tokens that the next step should check behind the history, at most `most`; the step has so many
  /// tokens without them.
  std::span<const int32_t> draft(std::span<const int32_t> history, size_t most, size_t step_tokens);
  /// Learns from how the history went on since draft().
  void learn(std::span<const int32_t> history);

 private:
  static constexpr size_t kLongestMatch = 8, kMostDrafted = 16;

  /// How many of the guesses to check, each right with its rate if those before are; the seconds that each
  /// one costs to guess.
  size_t worthwhile(std::span<const double> rates, size_t step_tokens, double seconds_each) const;
  void guess_by_lookup(std::span<const int32_t> history, size_t most, size_t step_tokens);
  void guess_by_model(std::span<const int32_t> history, size_t most, size_t step_tokens);

  std::shared_ptr<const StepTimes> times_;
  std::unique_ptr<DraftModel> model_;
  bool always_;
  std::array<AcceptanceRate, kLongestMatch + 1> lookup_rates_;  ///< by the length of the match
  AcceptanceRate model_rate_{0.7};
  std::vector<int32_t> guess_;  ///< of which the first drafted_ are checked
  size_t drafted_ = 0, match_ = 0, before_ = 0;
  bool by_model_ = false;
  int rest_ = 0, pause_ = kFirstPause;  ///< steps until the model is tried again
  static constexpr int kFirstPause = 32, kLongestPause = 512;
};

}  // namespace nibble
