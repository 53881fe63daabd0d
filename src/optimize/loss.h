#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "evaluate/kld.h"
#include "evaluate/statistics.h"

/// What a quantized model has lost against the original, in the terms in which a user bounds it.
namespace nibble {

enum class LossMetric {
  kld,         ///< mean KL divergence of the next token's distribution, nats
  perplexity,  ///< growth of the perplexity, as a part of the original's
  arc,         ///< questions of ARC that are lost, as a part of all
};

/// "kld", "ppl", "arc"; throws UsageError for another name.
LossMetric loss_metric_from_name(std::string_view name);
std::string_view loss_metric_name(LossMetric metric);

/// A loss, and what it is below with 95% confidence: one-sided.
struct MeasuredLoss {
  double mean = 0, upper = 0;
};
MeasuredLoss kld_loss(const KldResult& result);
/// Paired, token by token: the logarithm of the perplexities' ratio with its standard error.
MeasuredLoss perplexity_loss(const KldResult& result);
/// `difference` is that of the quantized model's answers from the original's; a score bound (Tango 1998).
MeasuredLoss arc_loss(const PairedDifference& difference);
/// How many questions it takes to prove that no more than a part `loss` < 1 of them is lost, when not one is.
uint64_t questions_to_prove(double loss);

/// "0.0123", "+1.23%" or "1.2 points", as the metric is written.
std::string loss_text(LossMetric metric, double loss);
/// A bound as the command line takes it: "1%", or "0.05" for the KL divergence.
std::string bound_text(LossMetric metric, double loss);
/// "1%" or "0.01"; throws UsageError naming the flag's value where it is not a positive number, or reads as
/// if its % had been forgotten.
double parse_loss(LossMetric metric, const std::string& text);

}  // namespace nibble
