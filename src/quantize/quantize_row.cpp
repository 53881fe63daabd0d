#include "quantize/quantize_row.h"

#include <cmath>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "quantize/rtn/table.h"

namespace nibble {

namespace {

/// Weights scaled to a mean of one, so that sums of weighted squares stay in range, and with a small
/// floor: a column that no sample touched must not take arbitrary values. Empty when they say nothing.
std::vector<float> normalized_importance(const float* importance, uint64_t cols) {
  double sum = 0;
  for (uint64_t j = 0; j < cols; ++j) sum += importance[j];
  const double factor = double(cols) / sum;
  if (!(sum > 0) || !std::isfinite(factor)) return {};
  constexpr float kFloor = 1e-4f;
  std::vector<float> scaled(cols);
  for (uint64_t j = 0; j < cols; ++j) scaled[j] = float(importance[j] * factor) + kFloor;
  return scaled;
}

}  // namespace

const RtnTable& rtn_table() {
  static const RtnTable& table = selected_isa() >= Isa::avx2 ? rtn_avx2::kTable : rtn_baseline::kTable;
  return table;
}

void quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols, const float* importance) {
  const RowQuantizer quantizer = rtn_table().row_quantizer(dtype);
  if (quantizer == nullptr) fail("{} is quantized tensor by tensor, not row by row", dtype_name(dtype));
  const std::vector<float> weights =
      importance ? normalized_importance(importance, cols) : std::vector<float>();
  quantizer(x, out, cols, weights.empty() ? nullptr : weights.data());
}

}  // namespace nibble
