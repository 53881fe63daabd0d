#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"
#include "quantize/tile_matrix.h"
#include "tensor/dequantize.h"

/// What the tests of methods share.
namespace nibble {

/// The types with codes of their own.
inline std::vector<DType> grid_dtypes() {
  std::vector<DType> dtypes;
  for (const DTypeInfo& info : all_dtypes()) {
    if (has_grid(info.dtype)) dtypes.push_back(info.dtype);
  }
  return dtypes;
}

/// The values [rows, cols] of rows of blocks.
inline std::vector<float> dequantized(DType dtype, const std::vector<std::byte>& bytes, uint64_t cols) {
  const uint64_t stride = row_bytes(dtype, cols), rows = bytes.size() / stride;
  std::vector<float> values(rows * cols);
  for (uint64_t r = 0; r < rows; ++r) dequantize_row(dtype, &bytes[r * stride], &values[r * cols], cols);
  return values;
}

/// w [rows, cols] after rounding to nearest.
inline std::vector<float> rounded_to_nearest(DType dtype, const std::vector<float>& w, uint64_t cols,
                                             const float* importance = nullptr) {
  const uint64_t stride = row_bytes(dtype, cols), rows = w.size() / cols;
  std::vector<std::byte> bytes(rows * stride);
  for (uint64_t r = 0; r < rows; ++r) quantize_row(dtype, &w[r * cols], &bytes[r * stride], cols, importance);
  return dequantized(dtype, bytes, cols);
}

/// X^T X of inputs x [tokens, cols].
inline TileMatrix hessian_of(const std::vector<float>& x, size_t cols, ThreadPool& pool) {
  TileMatrix h(cols);
  add_gram(h, x.data(), x.size() / cols, pool);
  return h;
}

}  // namespace nibble
