#include "quantize/hqq.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"

namespace nibble {

namespace {

/// The sum over a block of |x - deq(q)|^p with the nearest codes.
double lp_error(const Grid& grid, std::span<const float> x, float scale, float offset, float p) {
  double sum = 0;
  for (const float value : x) sum += std::pow(std::abs(value - nearest(grid, value, scale, offset).value), p);
  return sum;
}

}  // namespace

bool has_hqq(DType dtype) {
  return block_scales(dtype) == BlockScales::scale_and_offset;
}

float hqq_offset(DType dtype, std::span<const float> x, float scale, float offset,
                 const HqqOptions& options) {
  const Grid grid = grid_of(dtype);
  float best = offset, beta = options.beta;
  double least = 0;
  for (int i = 0;; ++i, beta *= options.kappa) {
    double error = 0, sum = 0;
    for (const float value : x) {
      const GridPoint q = nearest(grid, value, scale, offset);
      const float residual = value - q.value, size = std::abs(residual);
      const float power = size > 0 ? std::pow(size, options.lp_norm) : 0.0f;
      const float shrunk = size > 0 ? std::max(0.0f, size - power / (size * beta)) : 0.0f;
      error += double(power);
      sum += double(value) - double(std::copysign(shrunk, residual)) - double(scale) * q.code;
    }
    if (i > 0 && !(error < least)) return best;
    best = offset;
    least = error;
    if (i == options.iterations) return best;
    offset = float(sum / double(x.size()));
  }
}

void hqq_quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols, const HqqOptions& options) {
  quantize_row(dtype, x, out, cols);
  const uint64_t block = scale_block(dtype, cols), bytes = row_bytes(dtype, cols) / (cols / block);
  const Grid grid = grid_of(dtype);
  std::vector<float> scales(block), offsets(block), steps(block);
  std::vector<std::byte> trial(bytes);
  std::vector<uint8_t> codes(block);
  for (uint64_t b = 0; b < cols / block; ++b) {
    const std::span<const float> values(x + b * block, block);
    std::byte* const stored = out + b * bytes;
    read_scales(dtype, stored, block, scales.data(), offsets.data());
    const float scale = scales[0], offset = offsets[0];
    if (scale == 0) continue;
    for (uint64_t j = 0; j < block; ++j) steps[j] = values[j] / scale;
    const float solved = scale * hqq_offset(dtype, steps, 1.0f, offset / scale, options);
    std::copy_n(stored, bytes, trial.begin());
    write_scales(dtype, scale, solved, trial.data());
    read_scales(dtype, trial.data(), block, scales.data(), offsets.data());
    // As stored, the offset is a half.
    if (!(lp_error(grid, values, scale, offsets[0], options.lp_norm) <
          lp_error(grid, values, scale, offset, options.lp_norm))) {
      continue;
    }
    for (uint64_t j = 0; j < block; ++j) codes[j] = nearest(grid, values[j], scale, offsets[0]).code;
    write_codes(dtype, codes.data(), block, trial.data());
    std::copy(trial.begin(), trial.end(), stored);
  }
}

}  // namespace nibble
