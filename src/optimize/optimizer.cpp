#include "optimize/optimizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "calibrate/quantize_model.h"
#include "engine/checkpoint_metadata.h"
#include "evaluate/comparison.h"
#include "formats/gguf_copy.h"
#include "optimize/analysis_file.h"
#include "optimize/bounds.h"
#include "optimize/optimize_state.h"
#include "runtime/memory_plan.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

/// The most that optimize adds to the metadata: the recipe, a line for each tensor, and the figures.
uint64_t bytes_of_figures(const Checkpoint& checkpoint) {
  constexpr uint64_t kFigures = 4096, kLine = 64;
  return kFigures + kLine * checkpoint.tensors().size();
}

/// Bytes of the file beside its matrices: header, metadata, vectors.
uint64_t rest_of_file(const Checkpoint& checkpoint) {
  std::vector<GgufWriter::Tensor> tensors;
  uint64_t vectors = 0;
  for (const TensorView& tensor : checkpoint.tensors()) {
    const bool vector = tensor.shape.size() < 2;
    tensors.push_back({tensor.name, vector ? DType::F32 : DType::F16, tensor.shape});
    if (vector) vectors += tensor.elements() * sizeof(float);
  }
  return gguf_data_begin(checkpoint_metadata(checkpoint), tensors) + vectors + bytes_of_figures(checkpoint);
}

class Optimizer {
 public:
  Optimizer(const Checkpoint& checkpoint, RunState& state, HeldOut held_out, const OptimizeRequest& request,
            ThreadPool& pool, const std::function<void(const std::string&)>& say)
      : checkpoint_(checkpoint),
        held_out_(std::move(held_out)),
        request_(request),
        pool_(pool),
        say_(say),
        state_(state, request.output) {}

  OptimizeResult run() {
    result_.analysis = analysis();
    checkpoint_.release_all();
    result_.front = pareto_front(result_.analysis.choices);
    say_front();
    const MemoryPlan memory = plan_memory(checkpoint_, request_.measure.context, request_.measure.kv_type);
    PlanBounds bounds(request_, rest_of_file(checkpoint_), memory.total() - memory.weights);
    const NextPlan first = next_plan(bounds);
    if (!first.plan) {
      state_.remove();
      fail("{}", bounds.explain(result_.analysis.choices));
    }
    step_until_done(bounds, first);
    finish(bounds);
    state_.remove();
    return std::move(result_);
  }

 private:
  /// Taken from a file, or made and saved: other bounds, and another try, need not make it again.
  Analysis analysis() {
    if (request_.analysis) return save(*request_.analysis);
    if (auto saved = state_.analysis(checkpoint_)) {
      say_("the analysis of the interrupted run is complete: it is used");
      return save({*std::move(saved), request_.calibration});
    }
    Analysis made = analyse(checkpoint_, state_.run(), request_.candidates, request_.calibration.seed, pool_);
    state_.set_analysis(made);
    return save({std::move(made), request_.calibration});
  }

  Analysis save(SavedAnalysis saved) const {
    if (request_.save_analysis) {
      write_analysis(*request_.save_analysis, saved, checkpoint_);
      say_(fmt::format("--analysis {} tries other bounds without analysing again",
                       request_.save_analysis->string()));
    }
    return std::move(saved.analysis);
  }

  void say_front() const {
    size_t ways = 0;
    for (const TensorLosses& tensor : result_.analysis.tensors) ways += tensor.candidates.size();
    say_(fmt::format("{} matrices, {} ways to write them, from {} to {} together",
                     result_.analysis.tensors.size(), ways, short_bytes(result_.front.front().bytes),
                     short_bytes(result_.front.back().bytes)));
  }

  struct NextPlan {
    std::optional<Plan> plan;
    bool predicted_good = false;  ///< else it is built since measuring may show that predictions are wrong
  };

  /// What to build next, whether or not it was built before.
  NextPlan next_plan(const PlanBounds& bounds) const {
    const Choices& choices = result_.analysis.choices;
    const Bounds all = bounds.bounds();
    if (auto plan = find_plan(choices, all)) return {plan, true};
    // Predictions leave none that is fast enough: the fastest is built, and measuring it corrects them.
    if (result_.steps.empty()) return {request_.min_speed ? fastest_plan(choices, all) : std::nullopt};
    // None is said to keep to the bound of loss when that of the least loss is known not to.
    return {request_.max_loss ? find_plan(choices, {all.bytes, {}, all.seconds}) : std::nullopt};
  }

  void step_until_done(PlanBounds& bounds, NextPlan next) {
    Measurer measurer(request_.model, held_out_, request_.measure);
    for (int i = 0; i < request_.most_steps; ++i, next = next_plan(bounds)) {
      const auto& plan = next.plan;
      if (!plan || was_tried(*plan)) break;
      say_(fmt::format("step {}: {}, predicted KL divergence {:.4f}", i + 1,
                       short_bytes(bounds.file_bytes(*plan)), plan->loss));
      OptimizeStep step{*plan, measure(measurer, *plan), {}};
      step.broken = bounds.learn(*plan, step.measured);
      result_.steps.push_back(std::move(step));
      say_step(result_.steps.back());
      const bool good = result_.steps.back().broken.empty();
      if (good) keep_if_best();
      if (good && next.predicted_good && !bounds.has_room()) break;
    }
    if (picked_) complete(measurer);
  }

  bool was_tried(const Plan& plan) const {
    return std::any_of(result_.steps.begin(), result_.steps.end(),
                       [&](const OptimizeStep& step) { return step.plan.picks == plan.picks; });
  }

  Measured measure(Measurer& measurer, const Plan& plan) {
    const bool with_arc = request_.metric == LossMetric::arc;
    auto saved = state_.measured(plan);
    const bool whole = saved && (!with_arc || (saved->arc && saved->arc->n == held_out_.questions.size()));
    if (whole) return *std::move(saved);
    build(plan);
    Measured measured = measurer.measure(state_.trial(), with_arc);
    measured.file_bytes += bytes_of_figures(checkpoint_);  // the trial has none yet
    state_.add(plan, measured);
    return measured;
  }

  void build(const Plan& plan) {
    if (state_.trial_is(plan)) return;
    const Recipe recipe = result_.analysis.recipe(plan);
    QuantizeMethod method;
    method.gptq.emplace();
    RunState building(state_.trial(), quantize_job(checkpoint_, recipe, method), true);
    building.set_calibration(*state_.run().calibration(), false);
    method.state = &building;
    method.calibration = &*building.calibration();
    quantize_model(checkpoint_, recipe, method, checkpoint_metadata(checkpoint_), state_.trial(), pool_);
    state_.set_trial(plan);
  }

  void say_step(const OptimizeStep& step) const {
    const Measured& m = step.measured;
    std::string line = fmt::format(
        "  measured: {}, {:.3f} bits per weight, KL divergence {:.4f} ± {:.4f}, perplexity {:+.2f}%",
        short_bytes(m.file_bytes), m.bits_per_weight, m.kld.kld.mean, m.kld.kld.standard_error,
        100 * perplexity_loss(m.kld).mean);
    if (m.arc_difference)
      line += fmt::format(", ARC {:+.2f} points", 100 * m.arc_difference->difference.mean);
    say_(line + fmt::format(", {:.1f} tokens/s", m.tokens_per_s));
    say_(step.broken.empty() ? "  keeps to all bounds" : "  breaks " + step.broken);
  }

  /// The smallest is the best where loss is bounded, else that of the least loss.
  bool better(const Measured& a, const Measured& b) const {
    return request_.max_loss ? a.file_bytes < b.file_bytes : a.kld.kld.mean < b.kld.kld.mean;
  }

  void keep_if_best() {
    const OptimizeStep& step = result_.steps.back();
    if (picked_ && !better(step.measured, result_.steps[*picked_].measured)) return;
    picked_ = result_.steps.size() - 1;
    if (state_.best_is(step.plan)) return;
    build(step.plan);
    state_.promote_trial(step.plan);
  }

  /// Asks the questions that were left out while stepping.
  void complete(Measurer& measurer) {
    OptimizeStep& step = result_.steps[*picked_];
    if (!step.measured.arc) measurer.add_arc(state_.best(), step.measured);
  }

  void finish(const PlanBounds& bounds) {
    if (!picked_) {
      state_.remove();
      fail("{}", why_none(bounds));
    }
    result_.picked = *picked_;
    OptimizeStep& step = result_.steps[result_.picked];
    result_.recipe = {result_.analysis.recipe(step.plan), "q8_0", "gptq", request_.calibration};
    const auto built = GgufFile::open(state_.best());
    copy_gguf(*built, with_figures(built->metadata(), step), request_.output);
    step.measured.file_bytes = fs::file_size(request_.output);
  }

  std::string why_none(const PlanBounds& bounds) const {
    const size_t built = result_.steps.size();
    std::string why =
        fmt::format("{} breaks {}",
                    built == 1 ? "the model that was built"
                               : fmt::format("of {} models that were built the last one", built),
                    result_.steps.back().broken);
    const auto next = find_plan(result_.analysis.choices, bounds.bounds());
    if (!next) return fmt::format("{}; {}", why, bounds.explain(result_.analysis.choices));
    return fmt::format("{}. Loosen that bound{}", why,
                       was_tried(*next) ? "" : ", or allow more with --steps");
  }

  GgufMetadata with_figures(GgufMetadata metadata, const OptimizeStep& step) const {
    const Measured& m = step.measured;
    metadata.set("nibble.optimize.recipe", to_json(result_.recipe).dump());
    metadata.set("nibble.optimize.text", held_out_.text);
    metadata.set("nibble.optimize.kld", m.kld.kld.mean);
    metadata.set("nibble.optimize.kld_stderr", m.kld.kld.standard_error);
    metadata.set("nibble.optimize.perplexity", m.kld.model.perplexity());
    metadata.set("nibble.optimize.base_perplexity", m.kld.base.perplexity());
    if (m.arc) {
      metadata.set("nibble.optimize.arc_questions", uint64_t(m.arc->n));
      metadata.set("nibble.optimize.arc", m.arc->acc().mean);
      metadata.set("nibble.optimize.base_arc", m.base_arc->acc().mean);
    }
    return metadata;
  }

  const Checkpoint& checkpoint_;
  HeldOut held_out_;
  const OptimizeRequest& request_;
  ThreadPool& pool_;
  const std::function<void(const std::string&)>& say_;
  OptimizeState state_;
  OptimizeResult result_;
  std::optional<size_t> picked_;
};

}  // namespace

OptimizeResult optimize_model(const Checkpoint& checkpoint, RunState& state, HeldOut held_out,
                              const OptimizeRequest& request, ThreadPool& pool,
                              const std::function<void(const std::string&)>& say) {
  return Optimizer(checkpoint, state, std::move(held_out), request, pool, say).run();
}

}  // namespace nibble
