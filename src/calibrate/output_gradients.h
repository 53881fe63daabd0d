#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "model/checkpoint.h"

/// How much the model's distribution of the next token moves when the output of a matrix does.
///
/// To second order the KL divergence of the model with W + dW from the model with W is half of E[(g^T dW
/// x)^2], with x the matrix' input and g the gradient of log p(y) by its output, y drawn from the model's own
/// distribution: the Fisher information. As K-FAC does (Martens and Grosse 2015, arXiv 1503.05671) x and g
/// count as independent, and of E[g g^T] the diagonal alone is kept:
///
///   KL(dW) = 1/2 sum over rows r of E[g_r^2] (dW H dW^T)_rr,   H = E[x x^T].
namespace nibble {

struct OutputGradients {
  /// E[g_r^2] of each matrix' outputs [rows], by its name. Of the output matrix: E[p_r (1 - p_r)], which is
  /// the same without drawing y.
  std::map<std::string, std::vector<double>> squares;
  /// E[g_j^2] of the embeddings that enter the first layer [hidden].
  std::vector<double> embedding;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(OutputGradients, squares, embedding)
};

/// One pass forwards and one backwards through the model, layer by layer. Holds the hidden states of the text
/// in front of every layer: layers * tokens * hidden floats. The sums do not depend on the number of threads.
OutputGradients measure_output_gradients(const Checkpoint& checkpoint, const CalibrationData& data,
                                         uint64_t seed, ThreadPool& pool);

}  // namespace nibble
