#include "quantize/quantize_row.h"

#include <cmath>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "quantize/rtn/table.h"
#include "quantize/sparse_row.h"

namespace nibble {

const RtnTable& rtn_table() {
  static const RtnTable& table = selected_isa() >= Isa::avx2 ? rtn_avx2::kTable : rtn_baseline::kTable;
  return table;
}

std::vector<float> normalized_importance(const float* importance, uint64_t n) {
  if (importance == nullptr) return {};
  double sum = 0;
  for (uint64_t j = 0; j < n; ++j) sum += importance[j];
  const double factor = double(n) / sum;
  if (!(sum > 0) || !std::isfinite(factor)) return {};
  constexpr float kFloor = 1e-4f;
  std::vector<float> scaled(n);
  for (uint64_t j = 0; j < n; ++j) scaled[j] = float(importance[j] * factor) + kFloor;
  return scaled;
}

void quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols, const float* importance,
                  FourBitScale scale) {
  if (const auto dense = dense_dtype(dtype)) {
    std::vector<std::byte> row(row_bytes(*dense, cols));
    quantize_row(*dense, x, row.data(), cols, importance);
    return store_sparse_row(dtype, row.data(), out, cols);
  }
  const RowQuantizer quantizer = rtn_table().row_quantizer(dtype, scale);
  if (quantizer == nullptr) fail("{} is quantized tensor by tensor, not row by row", dtype_name(dtype));
  const std::vector<float> weights = normalized_importance(importance, cols);
  quantizer(x, out, cols, weights.empty() ? nullptr : weights.data());
}

}  // namespace nibble
