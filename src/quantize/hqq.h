#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

/// HQQ: Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models"
/// (https://mobiusml.github.io/hqq_blog/). Needs no calibration: each block's offset is chosen so that the
/// weights' errors are small in the norm l_p, p < 1, which forgives a few large errors, as outliers leave
/// them, for many small ones.
///
/// The half-quadratic solver splits min ||W - deq(q)||_p^p in two, with errors W_e of their own:
///   W_e    = shrink(W - deq(q)), shrink(x) = sign(x) max(0, |x| - |x|^(p-1) / beta)
///   offset = mean over the block of W - W_e - scale q
/// and beta grows by kappa each time. The paper writes offset = -scale z, with a zero point z among the
/// codes.
///
/// Two things differ from the authors' code. Errors are measured in steps of the block's grid: with weights
/// of about 0.02 and beta = 10 all W_e would be zero, and the norm without effect. And scale and offset begin
/// as round-to-nearest chose them, with the least squared error, where the paper keeps the scale between the
/// smallest and the largest weight.
///
/// Types without an offset have no place for what the solver finds, and are refused: with the same objective
/// for their scales the model's KL divergence rises (docs/quantization.md).
namespace nibble {

struct HqqOptions {
  float lp_norm = 0.7f;  ///< p
  float beta = 10.0f, kappa = 1.01f;
  int iterations = 20;
};

/// True for types that store an offset beside the one scale of a block: Q4_1, Q5_1, UINT4.
bool has_hqq(DType dtype);

/// The offset that the solver finds for one block x of a type with has_hqq, from one to begin with. It stops
/// when the sum of |x - deq(q)|^p no longer falls. Everything is in units of x.
float hqq_offset(DType dtype, std::span<const float> x, float scale, float offset, const HqqOptions& options);

/// Quantizes one row of `cols` values as quantize_row does. No block's sum of |error|^p is above that of
/// round-to-nearest.
void hqq_quantize_row(DType dtype, const float* x, std::byte* out, uint64_t cols, const HqqOptions& options);

}  // namespace nibble
