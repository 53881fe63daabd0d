#include "engine/step_times.h"

#include <algorithm>

namespace nibble {

namespace {

/// Of the time of one token, what the second one adds, and each further one, as long as nothing is known:
/// between what small models take, whose arithmetic counts, and large ones, whose weights are read for
/// several tokens at once.
constexpr double kGuessedSecond = 0.4, kGuessedFurther = 0.2;
constexpr double kNewest = 0.2;  ///< weight of the newest time
constexpr double kMostJump = 2;  ///< an interruption of the machine is not the model's time

}  // namespace

void StepTimes::record(size_t tokens, double seconds) {
  if (tokens == 0 || tokens > kMostTokens) return;
  // A first time may be an interruption too: it counts beside what the others let expect.
  const double expected = estimate(tokens);
  Entry& e = entries_[tokens];
  if (expected > 0) seconds = std::min(seconds, kMostJump * expected);
  const double weight = e.count >= 4 ? kNewest : 1.0 / (e.count + (expected > 0 && e.count == 0 ? 2 : 1));
  const double before = e.count > 0 ? e.seconds : expected;
  e.seconds = before + weight * (seconds - before);
  ++e.count;
}

double StepTimes::estimate(size_t tokens) const {
  tokens = std::min(tokens, kMostTokens);
  if (tokens == 0 || entries_[tokens].count > 0) return entries_[tokens].seconds;
  size_t below = tokens, above = tokens;
  while (below > 0 && entries_[below].count == 0) --below;
  while (above <= kMostTokens && entries_[above].count == 0) ++above;
  if (above > kMostTokens && below == 0) return 0;
  if (above > kMostTokens) {
    // On along the line from the smallest step to the largest.
    size_t first = 1;
    while (entries_[first].count == 0) ++first;
    const double known = entries_[below].seconds;
    if (first == below) {
      const double second = below == 1 ? kGuessedSecond - kGuessedFurther : 0;
      return known * (1 + second + kGuessedFurther * double(tokens - below) / double(below));
    }
    const double slope = (known - entries_[first].seconds) / double(below - first);
    return known + std::max(slope, 0.0) * double(tokens - below);
  }
  if (below == 0) return entries_[above].seconds;  // no more than it
  const double share = double(tokens - below) / double(above - below);
  return entries_[below].seconds + share * (entries_[above].seconds - entries_[below].seconds);
}

}  // namespace nibble
