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

/// Keeps the states that cost less than all smaller ones.
std::vector<State> undominated(std::vector<State> states) {
  std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.cost < b.cost;
  });
  std::vector<State> kept;
  for (const State& state : states) {
    if (kept.empty() || state.cost < kept.back().cost) kept.push_back(state);
  }
  return kept;
}

/// Which states lie on the lower convex hull: the best for some price of bytes.
std::vector<bool> on_hull(const std::vector<State>& states) {
  std::vector<size_t> hull;
  const auto above = [&](size_t a, size_t b, size_t c) {  // b is above the line from a to c
    const double left = double(states[b].bytes - states[a].bytes),
                 all = double(states[c].bytes - states[a].bytes);
    return (states[b].cost - states[a].cost) * all >= (states[c].cost - states[a].cost) * left;
  };
  for (size_t i = 0; i < states.size(); ++i) {
    while (hull.size() > 1 && above(hull[hull.size() - 2], hull.back(), i)) hull.pop_back();
    hull.push_back(i);
  }
  std::vector<bool> result(states.size());
  for (const size_t i : hull) result[i] = true;
  return result;
}

/// Of states within `step` bytes the cheapest, and all of the hull.
std::vector<State> prune(std::vector<State> all, uint64_t step) {
  const std::vector<State> states = undominated(std::move(all));
  const std::vector<bool> hull = on_hull(states);
  std::vector<State> kept;
  for (size_t i = 0; i < states.size(); ++i) {
    const bool near =
        !kept.empty() && i + 1 < states.size() && states[i + 1].bytes - kept.back().bytes < step;
    if (hull[i] || !near) kept.push_back(states[i]);
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

std::optional<Plan> fastest_plan(const Choices& choices, const Bounds& bounds) {
  const Bounds others{bounds.bytes, bounds.loss, {}};
  std::optional<Plan> best;
  constexpr int kPrices = 31;
  for (int i = 0; i < kPrices; ++i) {
    const double price = 1e-6 * std::pow(10.0, 0.5 * i);  // nats a second, as in find_plan()
    for (const Plan& plan : pareto_front(choices, price)) {
      if (within(plan, others) && (!best || plan.seconds < best->seconds)) best = plan;
    }
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
