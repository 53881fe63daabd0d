#include "optimize/measure.h"

#include <algorithm>
#include <utility>

#include "evaluate/bench.h"
#include "runtime/memory_plan.h"

namespace nibble {

namespace {

/// Tokens of the speed trial: as many as tell a decode's speed, and the cache of a short answer.
constexpr uint32_t kSpeedTokens = 32;

std::vector<bool> right_answers(const std::vector<ArcQuestion>& questions, const ArcResult& result) {
  std::vector<bool> right;
  for (size_t i = 0; i < questions.size(); ++i) right.push_back(result.answers[i].pred == questions[i].gold);
  return right;
}

double decode_speed(Engine& engine, KvType kv_type) {
  BenchOptions bench;
  bench.prompt = 0;
  bench.generate = std::min(kSpeedTokens, engine.context());
  bench.kv_type = kv_type;
  // The engine owns its model; the bench needs a share of it that does not outlive this call.
  const std::shared_ptr<const Model> model(std::shared_ptr<const Model>(), &engine.model());
  return run_bench(model, engine.pool(), bench).decode.front().median();
}

}  // namespace

MeasuredLoss Measured::loss(LossMetric metric) const {
  if (metric == LossMetric::kld) return kld_loss(kld);
  return metric == LossMetric::perplexity ? perplexity_loss(kld) : arc_loss(*arc_difference);
}

Measurer::Measurer(const std::filesystem::path& original, HeldOut held_out, const MeasureOptions& options)
    : held_out_(std::move(held_out)), options_(options), original_(load(original, KvType::f32)) {}

std::unique_ptr<Engine> Measurer::load(const std::filesystem::path& model, KvType kv_type) const {
  return Engine::load(model, {.threads = options_.threads,
                              .affinity = options_.affinity,
                              .kv_type = kv_type,
                              .needs_tokenizer = true});
}

Measured Measurer::measure(const std::filesystem::path& model, bool with_arc) {
  const auto engine = load(model, options_.kv_type);
  const Checkpoint& checkpoint = engine->model().checkpoint();
  Measured result;
  result.file_bytes = checkpoint.file_bytes();
  result.bits_per_weight = checkpoint.bits_per_weight();
  result.memory_bytes = plan_memory(checkpoint, options_.context, options_.kv_type).total();
  ModelLogits original(*original_);
  result.kld = evaluate_kld(*engine, original, held_out_.windows);
  if (with_arc) measure_arc(*engine, result);
  result.tokens_per_s = decode_speed(*engine, options_.kv_type);
  return result;
}

void Measurer::add_arc(const std::filesystem::path& model, Measured& measured) {
  measure_arc(*load(model, options_.kv_type), measured);
}

void Measurer::measure_arc(Engine& engine, Measured& result) {
  const auto& questions = held_out_.questions;
  if (questions.empty()) return;
  if (!original_arc_) original_arc_ = evaluate_arc(*original_, questions, ArcStyle::continuation);
  const ArcResult arc = evaluate_arc(engine, questions, ArcStyle::continuation);
  result.arc = arc.all;
  result.base_arc = original_arc_->all;
  constexpr uint64_t kBootstrapSeed = 0;
  result.arc_difference =
      compare_paired(right_answers(questions, *original_arc_), right_answers(questions, arc), kBootstrapSeed);
}

}  // namespace nibble
