#include "optimize/analysis.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "calibrate/output_gradients.h"
#include "optimize/kernel_times.h"
#include "runtime/layer_weights.h"

namespace nibble {

namespace {

/// Hidden states that the gradients' pass may hold.
constexpr uint64_t kStateBytes = uint64_t{1} << 30;
constexpr size_t kGradientSequences = 8;

CalibrationData part_of(const CalibrationData& data, size_t first, size_t count) {
  const auto begin = data.sequences.begin() + int64_t(first);
  return {data.source, {begin, begin + int64_t(count)}};
}

/// As many sequences as their states in front of all layers find room.
CalibrationData for_gradients(const Checkpoint& checkpoint, const CalibrationData& data) {
  const ModelConfig& config = checkpoint.config();
  const uint64_t bytes =
      4 * data.sequences[0].size() * uint64_t(config.hidden) * (uint64_t(config.n_layers) + 1);
  const size_t fitting = std::max<uint64_t>(1, kStateBytes / bytes);
  return part_of(data, 0, std::min({data.sequences.size(), kGradientSequences, fitting}));
}

bool betters(const Choice& a, const Choice& b) {
  return a.bytes <= b.bytes && a.loss <= b.loss && a.seconds <= b.seconds;
}

/// One row of an embedding is read for a token; as the output matrix all of them are multiplied.
bool multiplied(const Checkpoint& checkpoint, const TensorLosses& tensor) {
  return tensor.name == output_tensor(checkpoint).name || tensor.name != "token_embd.weight";
}

KernelTimes time_kernels(const Checkpoint& checkpoint, const std::vector<TensorLosses>& losses,
                         ThreadPool& pool) {
  std::set<KernelTimes::Kernel> kernels;
  for (const TensorLosses& tensor : losses) {
    if (!multiplied(checkpoint, tensor)) continue;
    const uint64_t cols = checkpoint.get(tensor.name).cols();
    for (const CandidateLoss& c : tensor.candidates) kernels.insert({c.recipe.dtype, cols});
  }
  return {kernels, pool};
}

/// Leaves out the ways that another one betters in all respects.
void add(Analysis& analysis, TensorLosses losses, const std::vector<Choice>& all) {
  TensorLosses kept{losses.name, {}};
  std::vector<Choice> choices;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto beats = [&](size_t j) {
      return j != i && betters(all[j], all[i]) && (!betters(all[i], all[j]) || j < i);
    };
    bool beaten = false;
    for (size_t j = 0; j < all.size(); ++j) beaten = beaten || beats(j);
    if (beaten) continue;
    kept.candidates.push_back(losses.candidates[i]);
    choices.push_back(all[i]);
  }
  analysis.tensors.push_back(std::move(kept));
  analysis.choices.push_back(std::move(choices));
}

}  // namespace

Recipe Analysis::recipe(const Plan& plan) const {
  Recipe recipe{"OPTIMIZED", DType::Q8_0};
  for (size_t i = 0; i < tensors.size(); ++i) {
    recipe.tensors[tensors[i].name] = tensors[i].candidates[plan.picks[i]].recipe;
  }
  return recipe;
}

Analysis analyse(const Checkpoint& checkpoint, RunState& state, const CandidateOptions& options,
                 uint64_t seed, ThreadPool& pool) {
  const CalibrationData& data = *state.calibration();
  const size_t count = data.sequences.size();
  if (count < 2) {
    throw_usage("--calibration-sequences {}: optimize needs two at least, one of them to measure errors on",
                count);
  }
  const size_t held = std::max<size_t>(1, count / 4);
  const CalibrationData fit = part_of(data, 0, count - held), held_out = part_of(data, count - held, held);
  std::optional<OutputGradients> gradients = saved_gradients(state);
  if (!gradients) {
    gradients = measure_output_gradients(checkpoint, for_gradients(checkpoint, data), seed, pool);
    save_gradients(*gradients, state);
  }
  const auto candidates = [&](const TensorView& tensor) { return candidates_of(options, tensor); };
  auto losses = measure_tensor_losses(checkpoint, *gradients, fit, held_out, candidates, state, pool);
  const KernelTimes times = time_kernels(checkpoint, losses, pool);
  Analysis analysis;
  for (TensorLosses& tensor : losses) {
    const TensorView& matrix = checkpoint.get(tensor.name);
    const bool timed = multiplied(checkpoint, tensor);
    std::vector<Choice> choices;
    for (const CandidateLoss& c : tensor.candidates) {
      const double seconds = timed ? times.seconds(c.recipe.dtype, matrix.rows(), matrix.cols()) : 0.0;
      choices.push_back({c.bytes, c.loss, seconds});
    }
    add(analysis, std::move(tensor), choices);
  }
  return analysis;
}

}  // namespace nibble
