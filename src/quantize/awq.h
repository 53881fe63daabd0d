#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "quantize/tile_matrix.h"
#include "tensor/dtype.h"

/// AWQ: Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan and Han 2023, "AWQ: Activation-aware Weight
/// Quantization for LLM Compression and Acceleration" (arXiv 2306.00978).
///
/// Column j of the matrices with one input is multiplied by s_j before they are rounded, and the input's
/// channel j divided by it in the layer before: the product stays, and columns with large activations lose
/// less. s = (mean |x|)^alpha, divided by sqrt(max s * min s), with one alpha from a grid (the paper's
/// equation 5).
///
/// The paper runs the calibration's inputs through the quantized matrices for each alpha. Here the squared
/// error of their outputs, tr(dW H dW^T) with H = X^T X, comes from H: the same figure for any number of
/// inputs in the time of one. For query, key and value it is the sum over the three, where the authors' code
/// compares what attention makes of them.
namespace nibble {

struct AwqOptions {
  int grid = 20;  ///< alpha = 0, 1 / grid, ... below 1
};

/// Rows of one of the matrices, and how many of the whole matrix each of them stands for.
struct AwqMatrix {
  DType dtype;  ///< what it becomes: rounded to nearest, errors weighted by the inputs' second moments
  std::vector<float> w;  ///< [rows, cols]
  double weight = 1;
};

struct AwqChoice {
  float alpha = 0;
  double error = 0, unscaled_error = 0;  ///< squared error of the outputs with this alpha and with alpha = 0
  std::vector<float> scales;             ///< [cols]
};

/// s for an alpha; magnitudes [cols] are the means of |x|. Channels that were always zero get 1: nothing is
/// known of them.
std::vector<float> awq_scales(std::span<const float> magnitudes, float alpha);

/// What rounding to nearest weighs the error of each scaled column by: the diagonal of H over s^2.
std::vector<float> awq_importance(const TileMatrix& hessian, std::span<const float> scales);

/// The alpha with the least error over all matrices. H [cols, cols] as add_gram makes it. Throws Error when H
/// holds NaN or infinities; `name` begins the message.
AwqChoice awq_search(std::span<const AwqMatrix> matrices, const TileMatrix& hessian,
                     std::span<const float> magnitudes, const AwqOptions& options, const std::string& name,
                     ThreadPool& pool);

}  // namespace nibble
