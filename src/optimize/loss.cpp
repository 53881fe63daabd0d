#include "optimize/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace nibble {

namespace {

constexpr double kOneSided95 = 1.6448536269514722;  // the normal distribution's 95% quantile

}  // namespace

LossMetric loss_metric_from_name(std::string_view name) {
  for (const LossMetric metric : {LossMetric::kld, LossMetric::perplexity, LossMetric::arc}) {
    if (loss_metric_name(metric) == name) return metric;
  }
  throw_usage("--metric {}: use kld, ppl or arc", name);
}

std::string_view loss_metric_name(LossMetric metric) {
  switch (metric) {
    case LossMetric::kld:
      return "kld";
    case LossMetric::perplexity:
      return "ppl";
    case LossMetric::arc:
      break;
  }
  return "arc";
}

MeasuredLoss kld_loss(const KldResult& result) {
  return {result.kld.mean, result.kld.mean + kOneSided95 * result.kld.standard_error};
}

MeasuredLoss perplexity_loss(const KldResult& result) {
  const Estimate& log = result.log_ratio;
  return {std::expm1(log.mean), std::expm1(log.mean + kOneSided95 * log.standard_error)};
}

MeasuredLoss arc_loss(const PairedDifference& difference) {
  return {-difference.difference.mean,
          paired_score_upper(difference.n, difference.only_a, difference.only_b, kOneSided95)};
}

uint64_t questions_to_prove(double loss) {
  constexpr double kMost = 1e18;
  return uint64_t(std::min(kMost, std::ceil(kOneSided95 * kOneSided95 * (1 / loss - 1))));
}

std::string loss_text(LossMetric metric, double loss) {
  switch (metric) {
    case LossMetric::kld:
      return loss < 0.001 ? fmt::format("{:.2g}", loss) : fmt::format("{:.4f}", loss);
    case LossMetric::perplexity:
      return fmt::format("{:+.2f}%", 100 * loss);
    case LossMetric::arc:
      break;
  }
  return fmt::format("{:.2f} points", 100 * loss);
}

std::string bound_text(LossMetric metric, double loss) {
  if (metric == LossMetric::kld) return fmt::format("{:.3g}", loss);
  return fmt::format("{:.3g}%", 100 * loss);
}

double parse_loss(LossMetric metric, const std::string& text) {
  const bool percent = text.ends_with("%");
  const char *begin = text.data(), *end = begin + text.size() - (percent ? 1 : 0);
  double value = 0;
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stopped != end || !std::isfinite(value) || value <= 0) {
    throw_usage("--max-loss {}: write a number above 0, such as 1% or 0.01", text);
  }
  if (metric != LossMetric::kld && !percent && value >= 1) {
    throw_usage("--max-loss {} is {:.0f}%: write {}% for so many percent", text, 100 * value, text);
  }
  if (metric == LossMetric::arc && (percent ? value / 100 : value) >= 1) {
    throw_usage("--max-loss {} with --metric arc: that is every question; write less than 100%", text);
  }
  return percent ? value / 100 : value;
}

}  // namespace nibble
