#include "optimize/optimizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
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
uint64_t rest_of_file(const Checkpoint& checkpoint, const fs::path& trial) {
  std::vector<GgufWriter::Tensor> tensors;
  uint64_t vectors = 0;
  for (const TensorView& tensor : checkpoint.tensors()) {
    const bool vector = tensor.shape.size() < 2;
    tensors.push_back({tensor.name, vector ? DType::F32 : DType::F16, tensor.shape});
    if (vector) vectors += tensor.elements() * sizeof(float);
  }
  const GgufWriter header(trial, checkpoint_metadata(checkpoint), tensors);
  return header.bytes_written() + vectors + bytes_of_figures(checkpoint);
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
    PlanBounds bounds(request_, rest_of_file(checkpoint_, state_.trial()), memory.total() - memory.weights);
    if (!find_plan(result_.analysis.choices, bounds.bounds())) {
      state_.remove();
      fail("{}", bounds.explain(result_.analysis.choices));
    }
    step_until_done(bounds);
    finish(bounds);
    state_.remove();
    return std::move(result_);
  }

 private:
  /// Taken from a file, or made and saved: other bounds, and another try, need not make it again.
  Analysis analysis() {
    if (request_.analysis) return read_analysis(*request_.analysis, checkpoint_);
    if (auto saved = state_.analysis(checkpoint_)) {
      say_("the analysis of the interrupted run is complete: it is used");
      return *std::move(saved);
    }
    Analysis made = analyse(checkpoint_, state_.run(), request_.candidates, request_.calibration.seed, pool_);
    state_.set_analysis(made);
    if (request_.save_analysis) {
      write_file(*request_.save_analysis, to_json(made).dump(1) + "\n");
      say_(fmt::format("--analysis {} tries other bounds without calibrating again",
                       request_.save_analysis->string()));
    }
    return made;
  }

  void say_front() const {
    size_t ways = 0;
    for (const TensorLosses& tensor : result_.analysis.tensors) ways += tensor.candidates.size();
    say_(fmt::format("{} matrices, {} ways to write them, from {} to {} together",
                     result_.analysis.tensors.size(), ways, short_bytes(result_.front.front().bytes),
                     short_bytes(result_.front.back().bytes)));
  }

  void step_until_done(PlanBounds& bounds) {
    Measurer measurer(request_.model, held_out_, request_.measure);
    for (int i = 0; i < request_.most_steps; ++i) {
      const auto plan = find_plan(result_.analysis.choices, bounds.bounds());
      if (!plan || was_tried(*plan)) break;
      say_(fmt::format("step {}: {}, predicted KL divergence {:.4f}", i + 1,
                       short_bytes(bounds.file_bytes(*plan)), plan->loss));
      OptimizeStep step{*plan, measure(measurer, *plan), {}};
      step.broken = bounds.learn(*plan, step.measured);
      result_.steps.push_back(std::move(step));
      say_step(result_.steps.back());
      const bool good = result_.steps.back().broken.empty();
      if (good) keep_if_best();
      if (good && !bounds.has_room()) break;
    }
    if (picked_) complete(measurer);
  }

  bool was_tried(const Plan& plan) const {
    return std::any_of(result_.steps.begin(), result_.steps.end(),
                       [&](const OptimizeStep& step) { return step.plan.picks == plan.picks; });
  }

  Measured measure(Measurer& measurer, const Plan& plan) {
    if (auto saved = state_.measured(plan)) return *std::move(saved);
    build(plan);
    Measured measured = measurer.measure(state_.trial(), request_.metric == LossMetric::arc);
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

  /// The smallest is the best where loss is bounded; else there is one step that keeps to its bounds.
  void keep_if_best() {
    const OptimizeStep& step = result_.steps.back();
    if (picked_ && result_.steps[*picked_].measured.file_bytes <= step.measured.file_bytes) return;
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
      const std::string why = result_.steps.empty() ? "" : result_.steps.back().broken;
      fail(
          "none of {} models that were built keeps to the bounds; the last one breaks {}. Loosen that bound, "
          "or allow more with --steps; {}",
          result_.steps.size(), why, bounds.explain(result_.analysis.choices));
    }
    result_.picked = *picked_;
    OptimizeStep& step = result_.steps[result_.picked];
    result_.recipe = {result_.analysis.recipe(step.plan), "q8_0", "gptq", request_.calibration};
    const auto built = GgufFile::open(state_.best());
    copy_gguf(*built, with_figures(built->metadata(), step), request_.output);
    step.measured.file_bytes = fs::file_size(request_.output);
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
