#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "calibrate/output_gradients.h"
#include "calibrate/recipe.h"
#include "calibrate/run_state.h"
#include "model/checkpoint.h"

namespace nibble {

/// What becomes of the model when one matrix is quantized in one way.
struct CandidateLoss {
  TensorRecipe recipe;
  uint64_t bytes = 0;
  double loss = 0;  ///< predicted KL divergence from the unquantized model, nats a token
};

struct TensorLosses {
  std::string name;
  std::vector<CandidateLoss> candidates;
};

/// The ways in which a matrix may be quantized.
using CandidatesOf = std::function<std::vector<TensorRecipe>(const TensorView&)>;

/// The losses of every matrix, in the order in which the model multiplies them: 1/2 sum E[g_r^2] (dW H
/// dW^T)_rr (calibrate/output_gradients.h). Methods know the inputs of `fit`, and their errors are measured
/// on those of `held_out`, which they have not seen. The rows that are tried, at most kLossRows of a matrix,
/// are drawn in proportion to E[g_r^2]. An embedding loses 1/2 sum E[g_j^2] dE_tj^2 over the tokens t of
/// `held_out`; one that is the output matrix too loses both. After each layer the gradients, the losses and
/// the hidden states are saved in `state`, and a run that finds them there goes on behind that layer.
std::vector<TensorLosses> measure_tensor_losses(const Checkpoint& checkpoint,
                                                const OutputGradients& gradients, const CalibrationData& fit,
                                                const CalibrationData& held_out,
                                                const CandidatesOf& candidates_of, RunState& state,
                                                ThreadPool& pool);

/// The gradients that an interrupted run saved.
std::optional<OutputGradients> saved_gradients(const RunState& state);
void save_gradients(const OutputGradients& gradients, RunState& state);

inline constexpr uint64_t kLossRows = 256;

}  // namespace nibble
