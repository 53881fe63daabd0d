#include "evaluate/results_json.h"

#include <algorithm>

#include "evaluate/statistics.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

ordered_json score_json(const ArcScore& score) {
  return {{"n", score.n},
          {"acc", score.acc().mean},
          {"acc_stderr", score.acc().standard_error},
          {"acc_norm", score.acc_norm().mean},
          {"acc_norm_stderr", score.acc_norm().standard_error}};
}

ordered_json windows_json(const std::string& file, const WindowOptions& windows) {
  return {{"file", file}, {"context", windows.context}, {"stride", windows.stride}};
}

ordered_json speed_json(const Speed& speed, double roofline_s, bool decode) {
  ordered_json json;
  if (decode) json["batch"] = speed.batch;
  if (decode) json["depth"] = speed.depth;
  json["tokens"] = speed.tokens;
  json["threads"] = speed.setting.threads;
  json["kernels"] = speed.kernels;
  json["tokens_per_s"] = speed.median();
  json["of_roof"] = nullptr;
  if (roofline_s > 0) json["of_roof"] = speed.median() * roofline_s;
  if (decode) json["of_reading"] = quantile(speed.of_reading, 0.5);
  json["runs"] = speed.tokens_per_s;
  json["cpu_percent"] = speed.cpu_percent;
  return json;
}

/// Appends the operations of one measurement, the longest first; seconds are of one run.
void add_profile(ordered_json& json, const Speed& speed, const std::string& phase) {
  double total = 0;
  std::vector<Operation> operations;
  for (size_t i = 0; i < kOperations; ++i) {
    total += speed.profile.seconds[i];
    if (speed.profile.seconds[i] > 0) operations.push_back(Operation(i));
  }
  const auto seconds = [&](Operation o) { return speed.profile.seconds[size_t(o)]; };
  std::stable_sort(operations.begin(), operations.end(),
                   [&](Operation a, Operation b) { return seconds(a) > seconds(b); });
  for (const Operation o : operations) {
    json.push_back({{"operation", operation_name(o)},
                    {"phase", phase},
                    {"batch", speed.batch},
                    {"seconds", seconds(o) / double(speed.tokens_per_s.size())},
                    {"share", seconds(o) / total}});
  }
}

}  // namespace

ordered_json to_json(const ArcTask& task, const std::vector<ArcQuestion>& questions,
                     const ArcResult& result) {
  ordered_json json = {{"task", "arc"}};
  json.update(score_json(result.all));
  json["style"] = arc_style_name(task.style);
  json["data"] = task.source;
  json["sample"] = describe_sample(questions.size(), task.total, task.seed);
  json["total"] = task.total;
  json["seed"] = task.seed;
  for (const ArcScore& set : result.sets) {
    ordered_json one = {{"set", set.set}};
    one.update(score_json(set));
    json["sets"].push_back(one);
  }
  json["questions"] = ordered_json::array();
  for (size_t i = 0; i < questions.size(); ++i) {
    const ArcAnswer& answer = result.answers[i];
    json["questions"].push_back({{"id", questions[i].id},
                                 {"set", questions[i].set},
                                 {"gold", questions[i].gold},
                                 {"ll", answer.log_likelihoods},
                                 {"pred", answer.pred},
                                 {"pred_norm", answer.pred_norm}});
  }
  return json;
}

ordered_json to_json(const PerplexityResult& result, const std::string& file, const WindowOptions& windows) {
  ordered_json json = {{"task", "perplexity"},
                       {"perplexity", result.perplexity()},
                       {"stderr", result.standard_error()},
                       {"chunks", result.windows},
                       {"tokens", result.tokens}};
  json.update(windows_json(file, windows));
  return json;
}

ordered_json to_json(const KldResult& result, const std::string& file, const WindowOptions& windows) {
  ordered_json json = {{"task", "kld"},
                       {"kld", result.kld.mean},
                       {"kld_stderr", result.kld.standard_error},
                       {"kld_median", result.median},
                       {"kld_90", result.p90},
                       {"kld_99", result.p99},
                       {"kld_max", result.max},
                       {"top1_agreement", result.top1_agreement.mean},
                       {"top1_agreement_stderr", result.top1_agreement.standard_error},
                       {"perplexity", result.model.perplexity()},
                       {"perplexity_stderr", result.model.standard_error()},
                       {"base_perplexity", result.base.perplexity()},
                       {"base_perplexity_stderr", result.base.standard_error()},
                       {"log_ratio", result.log_ratio.mean},
                       {"log_ratio_stderr", result.log_ratio.standard_error},
                       {"chunks", result.model.windows},
                       {"tokens", result.model.tokens}};
  json.update(windows_json(file, windows));
  return json;
}

ordered_json to_json(const Roofs& roofs) {
  return {{"threads", roofs.threads},
          {"read_gb_s", roofs.read_bytes_per_s / 1e9},
          {"int8_gops", roofs.int8_ops_per_s / 1e9},
          {"float_gflops", roofs.float_ops_per_s / 1e9}};
}

ordered_json to_json(const BenchResult& result, const WeightTraffic& traffic, const Roofs* roofs) {
  ordered_json json = {{"prefill", ordered_json::array()}, {"decode", ordered_json::array()}};
  // Seconds that the roofs allow for a token.
  for (const Speed& speed : result.prefill) {
    const double least = roofs ? roofline_seconds(*roofs, traffic, speed.tokens, 1) / speed.tokens : 0;
    json["prefill"].push_back(speed_json(speed, least, false));
  }
  for (const Speed& speed : result.decode) {
    WeightTraffic all = traffic;
    all.bytes += speed.batch * speed.cache_bytes;
    const double least = roofs ? roofline_seconds(*roofs, all, speed.batch, speed.batch) / speed.batch : 0;
    json["decode"].push_back(speed_json(speed, least, true));
  }
  ordered_json profile = ordered_json::array();
  for (const Speed& speed : result.prefill) add_profile(profile, speed, "prefill");
  for (const Speed& speed : result.decode) add_profile(profile, speed, "decode");
  if (!profile.empty()) json["profile"] = profile;
  return json;
}

}  // namespace nibble
