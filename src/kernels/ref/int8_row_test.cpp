#include "kernels/ref/int8_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/registry.h"
#include "kernels/synthetic_weights.h"
#include "tensor/dequantize.h"

namespace nibble {
namespace {

/// The bytes that kernels multiply, with their scales, are the weights; but for three roundings of float32 in
/// scale, product and sum. NF4's and FP4's bytes are near their values only (packed_format.h).
TEST(Int8Row, IsTheDequantizedRow) {
  for (const KernelEntry& kernel : kernel_table()) {
    if (kernel.isa != Isa::scalar || !is_quantized(kernel.activations)) continue;
    const size_t rows = 3, cols = 512;
    const SyntheticWeights w = synthetic_weights(kernel.dtype, rows, cols, 9);
    const std::string_view name = kernel.name;
    if (name.starts_with("nf4") || name.starts_with("fp4")) continue;
    SCOPED_TRACE(name);
    Int8Row row;
    std::vector<float> weights(cols);
    for (size_t r = 0; r < rows; ++r) {
      expand_int8_row(w.view, r, kernel.activation_groups, row);
      dequantize_rows(w.view, r, 1, weights.data());
      for (size_t c = 0; c < cols; ++c) {
        const float product = float(row.q[c]) * row.scale[c / row.group];
        const float min = row.min.empty() ? 0.0f : row.min[c / row.group];
        ASSERT_NEAR(product + min, weights[c], 6 * 0x1p-24f * (std::fabs(product) + std::fabs(min)))
            << "row " << r << " column " << c;
      }
    }
  }
}

}  // namespace
}  // namespace nibble
