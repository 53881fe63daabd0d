#pragma once

#include <nlohmann/json.hpp>

#include "evaluate/arc.h"
#include "evaluate/bench.h"
#include "evaluate/kld.h"
#include "evaluate/perplexity.h"
#include "evaluate/roofs.h"

/// The results as `eval --json` and `bench --json` write them.
namespace nibble {

/// Which questions were asked, and how.
struct ArcTask {
  std::string source;  ///< of the questions
  uint64_t total = 0;  ///< questions the sample was drawn from
  uint64_t seed = 0;
  ArcStyle style = ArcStyle::continuation;
};

nlohmann::ordered_json to_json(const ArcTask& task, const std::vector<ArcQuestion>& questions,
                               const ArcResult& result);
nlohmann::ordered_json to_json(const PerplexityResult& result, const std::string& file,
                               const WindowOptions& windows);
nlohmann::ordered_json to_json(const KldResult& result, const std::string& file,
                               const WindowOptions& windows);
nlohmann::ordered_json to_json(const Roofs& roofs);
/// `roofs` null: not measured, and no share of them is told.
nlohmann::ordered_json to_json(const BenchResult& result, const WeightTraffic& traffic, const Roofs* roofs);

}  // namespace nibble
