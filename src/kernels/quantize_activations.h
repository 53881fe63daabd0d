#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu.h"

namespace nibble {

/// Tokens a thread quantizes at a time: enough work to be worth a wake-up, small enough to share out.
inline constexpr size_t kTokensPerTask = 4;

/// Where the int8 form of one token goes (ActivationArgs).
struct QuantizedToken {
  int8_t* q;        ///< [padded cols]
  float* scale;     ///< [padded cols / 32]
  int32_t* sums32;  ///< [padded cols / 32]
  int32_t* sums16;  ///< [padded cols / 16]
};

/// Quantizes one token. Every instruction set gives the same bits: scale = max|x| / 127 and q = x * (127
/// / max|x|) rounded to nearest even. A group with a value that is not finite gets a scale that is not.
using QuantizeActivations = void (*)(const float* x, size_t cols, const QuantizedToken& out);

QuantizeActivations select_quantize_activations(Isa isa);

}  // namespace nibble
