#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "evaluate/statistics.h"
#include "evaluate/windows.h"

namespace nibble {

/// A perplexity exp(mean of -log p) with its standard error as llama.cpp gives it: the standard error of
/// the mean times the perplexity.
struct PerplexityResult {
  Estimate nll;  ///< negative log-probability of a token, natural logarithm
  uint64_t windows = 0, tokens = 0;
  double perplexity() const;
  double standard_error() const { return nll.standard_error * perplexity(); }
};

/// Scores the windows one after the other, with progress.
PerplexityResult evaluate_perplexity(Engine& engine, const std::vector<Window>& windows);

}  // namespace nibble
