#include "optimize/optimize_state.h"

#include <algorithm>
#include <system_error>

#include "optimize/analysis_file.h"

namespace nibble {

namespace fs = std::filesystem;
using nlohmann::json;

// As json reads and writes what a measurement consists of.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Estimate, mean, standard_error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Interval, low, high)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PairedDifference, n, difference, bootstrap, only_a, only_b, p)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PerplexityResult, nll, windows, tokens)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(KldResult, kld, median, p90, p99, max, top1_agreement, model, base,
                                   log_ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ArcScore, set, n, correct, correct_norm)

namespace {

json to_json(const Measured& m) {
  json result = {{"file_bytes", m.file_bytes},
                 {"memory_bytes", m.memory_bytes},
                 {"bits_per_weight", m.bits_per_weight},
                 {"kld", m.kld},
                 {"tokens_per_s", m.tokens_per_s}};
  if (m.arc) result["arc"] = {*m.arc, *m.base_arc, *m.arc_difference};
  return result;
}

Measured measured_from(const json& from) {
  Measured m;
  from.at("file_bytes").get_to(m.file_bytes);
  from.at("memory_bytes").get_to(m.memory_bytes);
  from.at("bits_per_weight").get_to(m.bits_per_weight);
  from.at("kld").get_to(m.kld);
  from.at("tokens_per_s").get_to(m.tokens_per_s);
  if (from.contains("arc")) {
    const json& arc = from["arc"];
    m.arc = arc.at(0).get<ArcScore>();
    m.base_arc = arc.at(1).get<ArcScore>();
    m.arc_difference = arc.at(2).get<PairedDifference>();
  }
  return m;
}

}  // namespace

OptimizeState::OptimizeState(RunState& state, const fs::path& output)
    : state_(state),
      trial_(output.string() + ".trial"),
      best_(output.string() + ".best"),
      details_(state.details().is_object() ? state.details() : json::object()) {}

std::optional<Analysis> OptimizeState::analysis(const Checkpoint& checkpoint) const {
  if (!details_.contains("analysis")) return std::nullopt;
  return analysis_from_json(details_["analysis"], "the interrupted run's analysis", checkpoint);
}

void OptimizeState::set_analysis(const Analysis& analysis) {
  details_ = {{"analysis", nibble::to_json(analysis)}};
  save();
}

std::optional<Measured> OptimizeState::measured(const Plan& plan) const {
  for (const json& step : details_.value("steps", json::array())) {
    if (step.at("picks") == plan.picks) return measured_from(step.at("measured"));
  }
  return std::nullopt;
}

void OptimizeState::add(const Plan& plan, const Measured& measured) {
  json& steps = details_["steps"];
  const json step = {{"picks", plan.picks}, {"measured", to_json(measured)}};
  const auto same = std::find_if(steps.begin(), steps.end(),
                                 [&](const json& earlier) { return earlier.at("picks") == plan.picks; });
  if (same != steps.end()) {
    *same = step;
  } else {
    steps.push_back(step);
  }
  save();
}

bool OptimizeState::holds(const char* which, const fs::path& file, const Plan& plan) const {
  std::error_code ignored;
  return details_.contains(which) && details_[which] == plan.picks && fs::exists(file, ignored);
}

void OptimizeState::set_trial(const Plan& plan) {
  details_["trial"] = plan.picks;
  save();
}

void OptimizeState::promote_trial(const Plan& plan) {
  fs::rename(trial_, best_);
  details_.erase("trial");
  details_["best"] = plan.picks;
  save();
}

void OptimizeState::remove() {
  state_.remove();
  std::error_code ignored;
  fs::remove(trial_, ignored);
  fs::remove(best_, ignored);
}

}  // namespace nibble
