#include "optimize/search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nibble {

namespace {

/// The sums of the picks of the first tensors, and how they came about.
struct State {
  uint64_t bytes = 0;
  double cost = 0;
  uint32_t before = 0;  ///< the state without the last pick
  uint32_t pick = 0;
};

uint64_t bytes_range(const Choices& choices) {
  uint64_t range = 0;
  for (const auto& tensor : choices) {
    const auto [least, most] = std::minmax_element(
        tensor.begin(), tensor.end(), [](const Choice& a, const Choice& b) { return a.bytes < b.bytes; });
    range += most->bytes - least->bytes;
  }
  return range;
}

/// Keeps the states that cost less than all smaller ones; of those within `step` bytes the cheapest.
std::vector<State> prune(std::vector<State> states, uint64_t step) {
  std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.cost < b.cost;
  });
  std::vector<State> kept;
  for (const State& state : states) {
    if (!kept.empty() && state.cost >= kept.back().cost) continue;
    // The smallest of all stays, so that the tightest bound can be met.
    const bool near = kept.size() > 1 && state.bytes - kept[kept.size() - 2].bytes < step;
    if (near) kept.pop_back();
    kept.push_back(state);
  }
  return kept;
}

std::vector<State> extend(const std::vector<State>& states, const std::vector<Choice>& tensor, double price) {
  std::vector<State> all;
  all.reserve(states.size() * tensor.size());
  for (uint32_t s = 0; s < states.size(); ++s) {
    for (uint32_t c = 0; c < tensor.size(); ++c) {
      const Choice& choice = tensor[c];
      all.push_back(
          {states[s].bytes + choice.bytes, states[s].cost + choice.loss + price * choice.seconds, s, c});
    }
  }
  return all;
}

Plan plan_of(const Choices& choices, std::vector<uint32_t> picks) {
  Plan plan{std::move(picks), 0, 0, 0};
  for (size_t t = 0; t < choices.size(); ++t) {
    const Choice& choice = choices[t][plan.picks[t]];
    plan.bytes += choice.bytes;
    plan.loss += choice.loss;
    plan.seconds += choice.seconds;
  }
  return plan;
}

bool within(const Plan& plan, const Bounds& bounds) {
  return (!bounds.bytes || plan.bytes <= *bounds.bytes) && (!bounds.loss || plan.loss <= *bounds.loss) &&
         (!bounds.seconds || plan.seconds <= *bounds.seconds);
}

/// The front's plan that keeps to the bounds: the smallest where loss is bounded, else that of least loss.
std::optional<Plan> pick(const std::vector<Plan>& front, const Bounds& bounds) {
  std::optional<Plan> best;
  for (const Plan& plan : front) {
    if (!within(plan, bounds)) continue;
    if (bounds.loss) return plan;
    if (!best || plan.loss < best->loss) best = plan;
  }
  return best;
}

bool better(const Plan& a, const Plan& b, const Bounds& bounds) {
  return bounds.loss ? a.bytes < b.bytes : a.loss < b.loss;
}

}  // namespace

std::vector<Plan> pareto_front(const Choices& choices, double price) {
  const uint64_t step = std::max<uint64_t>(1, bytes_range(choices) / kSearchStates);
  std::vector<std::vector<State>> levels{{State{}}};
  for (const auto& tensor : choices) levels.push_back(prune(extend(levels.back(), tensor, price), step));
  std::vector<Plan> front;
  for (uint32_t s = 0; s < levels.back().size(); ++s) {
    std::vector<uint32_t> picks(choices.size());
    uint32_t at = s;
    for (size_t t = choices.size(); t-- > 0;) {
      picks[t] = levels[t + 1][at].pick;
      at = levels[t + 1][at].before;
    }
    front.push_back(plan_of(choices, std::move(picks)));
  }
  return front;
}

std::optional<Plan> find_plan(const Choices& choices, const Bounds& bounds) {
  std::optional<Plan> best = pick(pareto_front(choices), bounds);
  if (best || !bounds.seconds) return best;
  // Lagrange: seconds get the price at which the plan keeps to their bound, by bisection of its magnitude.
  const Reach reach = reach_of(choices);
  if (reach.seconds > *bounds.seconds) return std::nullopt;
  constexpr int kSteps = 24;
  double low = 1e-6, high = 1e9;  // nats a second
  for (int i = 0; i < kSteps; ++i) {
    const double price = std::sqrt(low * high);
    const auto found = pick(pareto_front(choices, price), bounds);
    if (found && (!best || better(*found, *best, bounds))) best = found;
    (found ? high : low) = price;
  }
  return best;
}

Reach reach_of(const Choices& choices) {
  Reach reach;
  for (const auto& tensor : choices) {
    constexpr double kMost = std::numeric_limits<double>::infinity();
    Reach least{std::numeric_limits<uint64_t>::max(), kMost, kMost};
    for (const Choice& choice : tensor) {
      least.bytes = std::min(least.bytes, choice.bytes);
      least.loss = std::min(least.loss, choice.loss);
      least.seconds = std::min(least.seconds, choice.seconds);
    }
    reach.bytes += least.bytes;
    reach.loss += least.loss;
    reach.seconds += least.seconds;
  }
  return reach;
}

}  // namespace nibble
