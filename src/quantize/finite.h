#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/dtype.h"

namespace nibble {

/// True when none of the n values is a NaN or an infinity.
bool all_finite(const float* x, uint64_t n);

/// n values of F32, F16 or BF16 as float32, and whether all are finite: one pass at the speed of memory for
/// what is then quantized.
bool expand_finite(DType dtype, const std::byte* in, float* out, uint64_t n);

/// Throws the Error of inputs that calibration gave and that are not finite: a matrix' channel `channel`.
[[noreturn]] void fail_not_finite_input(const std::string& matrix, size_t channel);

}  // namespace nibble
