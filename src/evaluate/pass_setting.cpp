#include "evaluate/pass_setting.h"

#include <algorithm>
#include <limits>
#include <map>

namespace nibble {

namespace {

/// Kernels stay below the roofs by different amounts, so that a number of threads with a somewhat lower
/// roof may still be the faster.
constexpr double kNear = 1.15;

std::vector<int> candidate_threads(std::span<const Roofs> steps, const WeightTraffic& traffic,
                                   uint64_t tokens, uint64_t logits) {
  const auto seconds = [&](const Roofs& step) { return roofline_seconds(step, traffic, tokens, logits); };
  double shortest = std::numeric_limits<double>::infinity();
  const int most = highest(steps).threads;
  for (const Roofs& step : steps) shortest = std::min(shortest, seconds(step));
  std::vector<int> threads;
  for (const Roofs& step : steps) {
    if (step.threads == most || seconds(step) <= kNear * shortest) threads.push_back(step.threads);
  }
  std::sort(threads.begin(), threads.end(), std::greater());
  return threads;
}

/// Widest first, each with other kernels than the one before.
std::vector<Isa> candidate_isas(const Model& model) {
  std::vector<Isa> isas = {selected_isa()};
  if (isa_is_forced()) return isas;
  const std::vector<Isa>& all = cpu_info().isas;
  for (auto isa = all.rbegin(); isa != all.rend() && *isa != Isa::scalar; ++isa) {
    if (kernel_names(model, *isa) != kernel_names(model, isas.back())) isas.push_back(*isa);
  }
  return isas;
}

}  // namespace

std::vector<PassSetting> candidate_settings(std::span<const Roofs> steps, const Model& model, uint64_t tokens,
                                            uint64_t logits) {
  std::vector<PassSetting> settings;
  for (const int threads : candidate_threads(steps, weight_traffic(model), tokens, logits)) {
    for (const Isa isa : candidate_isas(model)) settings.push_back({threads, isa});
  }
  return settings;
}

size_t best_setting(std::span<const PassSetting> settings, std::span<const double> seconds) {
  constexpr double kAlike = 1.02;
  const double shortest = *std::min_element(seconds.begin(), seconds.end());
  size_t best = settings.size();
  for (size_t i = 0; i < settings.size(); ++i) {
    if (seconds[i] > kAlike * shortest) continue;
    if (best == settings.size() || settings[i].threads < settings[best].threads) best = i;
  }
  return best;
}

std::vector<std::string> kernel_names(const Model& model, Isa isa) {
  std::map<std::string_view, uint64_t> weights;
  for_each_matrix(model,
                  [&](const Linear& w) { weights[w.kernel_name(isa)] += uint64_t(w.rows()) * w.cols(); });
  std::vector<std::string> names;
  for (const auto& [name, count] : weights) names.emplace_back(name);
  std::stable_sort(names.begin(), names.end(),
                   [&](const std::string& a, const std::string& b) { return weights[a] > weights[b]; });
  return names;
}

}  // namespace nibble
