#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "quantize/tile_matrix.h"
#include "tensor/dtype.h"

/// GPTQ: Frantar, Ashkboos, Hoefler and Alistarh 2022, "GPTQ: Accurate Post-Training Quantization for
/// Generative Pre-trained Transformers" (arXiv 2210.17323), algorithm 1.
///
/// Columns of W are rounded one after the other, and the error of each is made good as far as possible in
/// those that are still to come: with U the upper Cholesky factor of the inverse of H = X^T X, in the order
/// of rounding, the error e = (w_j - q_j) / U_jj of column j takes e U_jk off column k.
///
/// Scales are chosen by block, as the formats have them: all columns of a block follow each other, blocks
/// with larger activations first and columns with larger activations first within the block ("activation
/// order"), and a block's scales are chosen when it is reached, from the values that its columns have by
/// then, each column's squared error weighted by 1 / U_jj^2, what it costs after compensation. Of types with
/// one scale a block, scales around that one are tried too, each with the feedback within the block.
namespace nibble {

struct GptqOptions {
  float damping = 0.01f;      ///< this share of the mean of H's diagonal is added to it
  bool by_activation = true;  ///< else columns keep their order
};

/// What rounding needs of H, for all matrices with this input and this number of columns in a scale block.
struct GptqFactor {
  uint64_t block = 0;
  std::vector<uint32_t> order;    ///< [cols] the column that is rounded at each place
  TileMatrix factor;              ///< U in this order
  std::vector<float> importance;  ///< [cols] 1 / U_jj^2 by column
  float damping = 0;              ///< that it took: ten times more until H was positive definite
};

/// H [cols, cols] is the sum of x x^T over the inputs x. A dead channel, whose input was always zero, is
/// rounded to nearest: nothing is known of it. Throws Error when H holds NaN or infinities, or is not
/// positive definite even with its mean added to its diagonal; `name` begins the message.
GptqFactor gptq_factor(const TileMatrix& hessian, uint64_t block, const GptqOptions& options,
                       const std::string& name, ThreadPool& pool);

/// Quantizes w [rows, cols] into rows of `dtype` (has_grid(dtype), with scale_block(dtype, cols) columns in
/// the factor's blocks) at `out`. Returns the sum over rows of the squared compensated errors e^2: the
/// squared error of the outputs over all inputs, up to damping.
double gptq_quantize(DType dtype, const GptqFactor& factor, const float* w, uint64_t rows, uint64_t cols,
                     std::byte* out, ThreadPool& pool);

}  // namespace nibble
