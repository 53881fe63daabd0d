#include "optimize/report.h"

#include <fmt/format.h>

#include "evaluate/comparison.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

ordered_json plan_json(const Plan& plan) {
  return {{"bytes", plan.bytes}, {"kld", plan.loss}, {"seconds_per_token", plan.seconds}};
}

ordered_json step_json(const OptimizeStep& step) {
  const Measured& m = step.measured;
  ordered_json json = {{"predicted", plan_json(step.plan)},
                       {"file_bytes", m.file_bytes},
                       {"memory_bytes", m.memory_bytes},
                       {"bits_per_weight", m.bits_per_weight},
                       {"kld", m.kld.kld.mean},
                       {"kld_stderr", m.kld.kld.standard_error},
                       {"perplexity", m.kld.model.perplexity()},
                       {"base_perplexity", m.kld.base.perplexity()},
                       {"perplexity_loss", perplexity_loss(m.kld).mean},
                       {"perplexity_loss_95", perplexity_loss(m.kld).upper},
                       {"top1_agreement", m.kld.top1_agreement.mean},
                       {"tokens_per_s", m.tokens_per_s}};
  if (m.arc) {
    json["arc"] = {{"questions", m.arc->n},
                   {"acc", m.arc->acc().mean},
                   {"base_acc", m.base_arc->acc().mean},
                   {"difference", m.arc_difference->difference.mean},
                   {"difference_stderr", m.arc_difference->difference.standard_error},
                   {"lost_95", arc_loss(*m.arc_difference).upper},
                   {"bootstrap", {m.arc_difference->bootstrap.low, m.arc_difference->bootstrap.high}},
                   {"only_base", m.arc_difference->only_a},
                   {"only_model", m.arc_difference->only_b},
                   {"p", m.arc_difference->p}};
  }
  json["broken"] = step.broken.empty() ? ordered_json() : ordered_json(step.broken);
  return json;
}

ordered_json bounds_json(const OptimizeRequest& request) {
  ordered_json json = ordered_json::object();
  if (request.max_size) json["max_size"] = *request.max_size;
  if (request.max_memory) json["max_memory"] = *request.max_memory;
  if (request.max_loss) {
    json["metric"] = loss_metric_name(request.metric);
    json["max_loss"] = *request.max_loss;
  }
  if (request.min_speed) json["min_speed"] = *request.min_speed;
  return json;
}

}  // namespace

std::string optimize_summary(const OptimizeResult& result, const OptimizeRequest& request,
                             const HeldOut& held_out) {
  const OptimizeStep& step = result.steps[result.picked];
  const Measured& m = step.measured;
  std::vector<DType> types;
  for (const auto& [name, own] : result.recipe.recipe.tensors) types.push_back(own.dtype);
  std::string text = fmt::format("{}: {}, {:.3f} bits per weight\n  {}\n", request.output.string(),
                                 short_bytes(m.file_bytes), m.bits_per_weight, type_counts(types));
  text += fmt::format(
      "  KL divergence {:.4f} ± {:.4f}; perplexity {:.3f}, was {:.3f} ({}; with 95% confidence below {})\n",
      m.kld.kld.mean, m.kld.kld.standard_error, m.kld.model.perplexity(), m.kld.base.perplexity(),
      loss_text(LossMetric::perplexity, perplexity_loss(m.kld).mean),
      loss_text(LossMetric::perplexity, perplexity_loss(m.kld).upper));
  text += fmt::format("  measured on {}\n", held_out.text);
  if (m.arc) {
    const PairedDifference& d = *m.arc_difference;
    text += fmt::format(
        "  ARC, {}: {:.1f}%, was {:.1f}%; {} questions lost, {} gained, McNemar p {}; "
        "with 95% confidence less than {} lost\n",
        held_out.arc_source, 100 * m.arc->acc().mean, 100 * m.base_arc->acc().mean, d.only_a, d.only_b,
        short_p(d.p), loss_text(LossMetric::arc, arc_loss(d).upper));
  }
  return text + fmt::format("  {:.1f} tokens/s; {} of memory with {} tokens of context\n", m.tokens_per_s,
                            short_bytes(m.memory_bytes), request.measure.context);
}

ordered_json optimize_json(const OptimizeResult& result, const OptimizeRequest& request,
                           const HeldOut& held_out) {
  ordered_json steps = ordered_json::array(), front = ordered_json::array();
  for (const OptimizeStep& step : result.steps) steps.push_back(step_json(step));
  for (const Plan& plan : result.front) front.push_back({plan.bytes, plan.loss});
  return {{"model", request.model.string()},
          {"output", request.output.string()},
          {"bounds", bounds_json(request)},
          {"text", held_out.text},
          {"arc", held_out.arc_source},
          {"picked", result.picked},
          {"steps", steps},
          {"recipe", to_json(result.recipe)},
          {"front", front}};
}

}  // namespace nibble
