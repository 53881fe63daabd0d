#pragma once

#include <bit>
#include <cstdint>

namespace nibble {

/// IEEE 754 binary16 as stored in model files. The scalar conversions are exact; kernels use the
/// vector instructions, which give the same values.
using half = uint16_t;
/// bfloat16 as stored in model files.
using bfloat16 = uint16_t;

inline float half_to_float(half h) {
  const uint32_t sign = uint32_t(h & 0x8000u) << 16;
  const uint32_t rest = h & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
  if (rest >= 0x0400u) return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
  // Subnormal: rest * 2^-24 is exact in float32.
  const float magnitude = float(rest) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

/// Rounds to nearest even; overflows to infinity, keeps NaN.
inline half float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const half sign = half((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return half(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= 0x477ff000u) return half(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    // Result is subnormal: adding 0.5 aligns the mantissa so that the hardware rounds it.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return half(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return half(sign | ((magnitude + 0xfffu + odd - 0x38000000u) >> 13));
}

inline float bfloat16_to_float(bfloat16 b) {
  return std::bit_cast<float>(uint32_t(b) << 16);
}

/// Rounds to nearest even; keeps NaN.
inline bfloat16 float_to_bfloat16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bfloat16((bits >> 16) | 0x40u);
  return bfloat16((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace nibble
