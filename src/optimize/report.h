#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/checkpoint.h"
#include "optimize/optimizer.h"

/// What `optimize` tells of its work.
namespace nibble {

/// A few lines for a terminal: what was picked, and what it costs.
std::string optimize_summary(const OptimizeResult& result, const OptimizeRequest& request,
                             const HeldOut& held_out);

/// All of it: bounds, steps with their predictions and measurements, the front, sensitivities, the recipe.
nlohmann::ordered_json optimize_json(const OptimizeResult& result, const OptimizeRequest& request,
                                     const HeldOut& held_out);

/// One page that needs nothing else: findings, the table of what was built, the Pareto plot, sensitivity by
/// layer, the recipe.
std::string optimize_html(const OptimizeResult& result, const OptimizeRequest& request,
                          const HeldOut& held_out, const Checkpoint& checkpoint);

}  // namespace nibble
