#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "evaluate/base_logits.h"
#include "evaluate/perplexity.h"
#include "evaluate/statistics.h"
#include "evaluate/windows.h"

namespace nibble {

/// What two models say to one token, from their logits [vocab].
struct TokenDivergence {
  double kld;            ///< sum over tokens of p_base (log p_base - log p)
  double nll, base_nll;  ///< negative log-probability of the token that came
  bool same_top;         ///< both find the same token the most probable
};
TokenDivergence token_divergence(std::span<const float> logits, std::span<const float> base, int32_t token);

/// Kullback-Leibler divergence of a model from a base model, over the tokens of a text.
struct KldResult {
  Estimate kld;
  double median = 0, p90 = 0, p99 = 0, max = 0;  ///< of the tokens' divergences
  Estimate top1_agreement;
  PerplexityResult model, base;
  /// log(perplexity / base perplexity); the errors of the two cancel, since they read the same tokens.
  Estimate log_ratio;
};

/// Summarizes the tokens of `windows` windows.
KldResult summarize_divergence(std::span<const TokenDivergence> tokens, uint64_t windows);

/// Runs the model window by window beside the base's logits. Throws Error when these are not for it.
KldResult evaluate_kld(Engine& engine, BaseLogits& base, const std::vector<Window>& windows);

}  // namespace nibble
