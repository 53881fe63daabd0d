#pragma once

#include <cstdint>

namespace nibble {

/// True when none of the n values is a NaN or an infinity.
bool all_finite(const float* x, uint64_t n);

}  // namespace nibble
