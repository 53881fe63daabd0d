#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "calibrate/run_state.h"
#include "model/checkpoint.h"
#include "optimize/analysis.h"
#include "optimize/measure.h"

namespace nibble {

/// What a run of optimize has done so far, saved as it is done, so that an interrupted one goes on: the
/// analysis (layer by layer while it is made), the plans that were measured, and the two models that stand
/// beside the output: OUT.trial, built last, and OUT.best, the best one that keeps to its bounds.
class OptimizeState {
 public:
  OptimizeState(RunState& state, const std::filesystem::path& output);

  /// Where analyse() keeps what it is at.
  RunState& run() { return state_; }
  /// The complete one of an earlier run.
  std::optional<Analysis> analysis(const Checkpoint& checkpoint) const;
  void set_analysis(const Analysis& analysis);

  std::optional<Measured> measured(const Plan& plan) const;
  void add(const Plan& plan, const Measured& measured);

  const std::filesystem::path& trial() const { return trial_; }
  const std::filesystem::path& best() const { return best_; }
  bool trial_is(const Plan& plan) const { return holds("trial", trial_, plan); }
  bool best_is(const Plan& plan) const { return holds("best", best_, plan); }
  void set_trial(const Plan& plan);
  /// Makes the trial the best one.
  void promote_trial(const Plan& plan);

  /// Nothing is left to go on with: the state and both models go.
  void remove();

 private:
  bool holds(const char* which, const std::filesystem::path& file, const Plan& plan) const;
  void save() { state_.save(0, details_, {}); }

  RunState& state_;
  std::filesystem::path trial_, best_;
  nlohmann::json details_;
};

}  // namespace nibble
