#pragma once

#include <array>
#include <cstddef>

namespace nibble {

/// How long the model takes for so many tokens in a step, learned from the steps that were taken. Reading the
/// weights is shared by the tokens of a step, so that more of them cost less than as many steps.
class StepTimes {
 public:
  static constexpr size_t kMostTokens = 64;

  void record(size_t tokens, double seconds);
  /// Seconds; between and beyond what was seen by the lines through it. 0 before the first step.
  double estimate(size_t tokens) const;

 private:
  struct Entry {
    double seconds = 0;
    int count = 0;
  };
  std::array<Entry, kMostTokens + 1> entries_;
};

}  // namespace nibble
