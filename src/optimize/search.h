#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// The choice of one format for each tensor: a multiple-choice knapsack.
namespace nibble {

/// One way to write one tensor.
struct Choice {
  uint64_t bytes = 0;
  double loss = 0;     ///< predicted KL divergence
  double seconds = 0;  ///< of its product for one token
};
/// The ways to write each tensor; at least one each.
using Choices = std::vector<std::vector<Choice>>;

/// A way to write the whole model.
struct Plan {
  std::vector<uint32_t> picks;  ///< of each tensor
  uint64_t bytes = 0;
  double loss = 0, seconds = 0;
};

/// The plans of which none is both smaller and better in loss + price * seconds than another, smallest first:
/// dynamic programming over the tensors, where a state is the exact sums of a plan. Of states whose sizes lie
/// within one part in kSearchStates of the whole range the best is kept, and all that are best at some price
/// of bytes (the lower convex hull), so that no plan is worse than what Lagrange's multipliers would find.
std::vector<Plan> pareto_front(const Choices& choices, double price = 0);
inline constexpr size_t kSearchStates = 3000;

/// What a plan must keep to; nothing: no bound.
struct Bounds {
  std::optional<uint64_t> bytes;
  std::optional<double> loss, seconds;
};

/// The best plan within the bounds: the smallest one that keeps to a bound of loss, and without one that of
/// the least loss. Nothing when no plan keeps to all of them.
std::optional<Plan> find_plan(const Choices& choices, const Bounds& bounds);

/// The fastest plan within the bounds of bytes and loss that prices of seconds find.
std::optional<Plan> fastest_plan(const Choices& choices, const Bounds& bounds);

/// The least that bytes, loss and seconds can each be for themselves.
struct Reach {
  uint64_t bytes = 0;
  double loss = 0, seconds = 0;
};
Reach reach_of(const Choices& choices);

}  // namespace nibble
