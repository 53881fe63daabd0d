#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace nibble {

/// The type that a matrix with rows of `cols` values is written as when `wanted` was asked for: wanted
/// itself where its block divides the row, else the first type of its chain whose block does.
///
///   Q2_K, Q3_K, IQ4_XS  -> IQ4_NL -> F16      (as llama.cpp)
///   Q4_K -> Q5_0, Q5_K -> Q5_1, Q6_K -> Q8_0, each -> F16      (as llama.cpp)
///   Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4, Q8_S50, Q4_S50 -> F16
///   INT4_G128 -> INT4_G64 -> Q4_0 -> F16,  UINT4_G128 -> UINT4_G64 -> Q4_1 -> F16
///   NF4, NF4_DQ, FP4, FP4_DQ -> IQ4_NL -> F16      (its 16 values are spaced much like NF4's)
///   F32, F16, BF16 and INT8 take rows of any length.
DType fallback_dtype(DType wanted, uint64_t cols);

}  // namespace nibble
