#pragma once

#include <cstdint>
#include <cstring>

/// Everything under quantize/rtn/ is compiled once per instruction set, each time into a namespace of its
/// own (CMakeLists.txt), so that the linker never mixes them. Inline functions of other headers, the
/// standard library's among them, may not be called here: the linker would share their code.
///
/// The quantizers work on eight groups at once, one per vector lane: what would be a scalar program per
/// group is the same program on vectors, without any horizontal step. Each lane sees plain IEEE
/// single-precision operations in program order, so every instruction set gives the same bits.
#ifndef NIBBLE_RTN_ISA
#error "compiled by rtn/CMakeLists.txt, which names the instruction set"
#endif

namespace nibble::NIBBLE_RTN_ISA {

inline constexpr int kLanes = 8;
inline constexpr float kLargestHalf = 65504.0f;
/// Beyond what any scale in half precision reaches, small enough that sums of squares stay finite.
inline constexpr float kLargestValue = 1e9f;

typedef float Vec __attribute__((vector_size(32)));
typedef int32_t VecI __attribute__((vector_size(32)));  // also the masks: 0 or -1

inline Vec splat(float f) {
  return Vec{f, f, f, f, f, f, f, f};
}
inline VecI splat(int32_t i) {
  return VecI{i, i, i, i, i, i, i, i};
}

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(Vec v, float* p) {
  std::memcpy(p, &v, sizeof(v));
}

inline Vec select(VecI mask, Vec yes, Vec no) {
  return mask ? yes : no;
}
inline VecI select(VecI mask, VecI yes, VecI no) {
  return mask ? yes : no;
}
/// table[i] in every lane; i in 0..7.
inline Vec look_up(Vec table, VecI i) {
#ifdef __clang__  // lacks the builtin
  Vec v;
  for (int l = 0; l < kLanes; ++l) v[l] = table[i[l]];
  return v;
#else
  return __builtin_shuffle(table, i);
#endif
}
// The compiler does not turn the selections into the one instruction that computes just that.
#ifdef __AVX__
inline Vec min(Vec a, Vec b) {
  return __builtin_ia32_minps256(a, b);
}
inline Vec max(Vec a, Vec b) {
  return __builtin_ia32_maxps256(a, b);
}
#else
inline Vec min(Vec a, Vec b) {
  return a < b ? a : b;
}
inline Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}
#endif
inline Vec clamp(Vec v, float lo, float hi) {
  return min(max(v, splat(lo)), splat(hi));
}

inline Vec abs(Vec v) {
  return (Vec)((VecI)v & 0x7fffffff);
}

/// To the nearest integer, ties to even; for magnitudes below 2^22.
inline Vec round(Vec v) {
  const Vec magic = splat(12582912.0f);
  return (v + magic) - magic;
}

inline VecI to_int(Vec v) {
  return __builtin_convertvector(v, VecI);
}
inline Vec to_float(VecI v) {
  return __builtin_convertvector(v, Vec);
}

/// a / b, and 0 in lanes where b is not positive.
inline Vec divide_or_zero(Vec a, Vec b) {
  const VecI positive = b > 0.0f;
  return select(positive, a / select(positive, b, splat(1.0f)), splat(0.0f));
}

/// target / v, and 0 in lanes where v is so small that no half times a code comes near it.
inline Vec inverse_or_zero(Vec v, float target = 1.0f) {
  const VecI usable = abs(v) > 0x1p-27f;
  return select(usable, splat(target) / select(usable, v, splat(1.0f)), splat(0.0f));
}

/// The bits of the nearest half, ties to even; values beyond the largest half become that.
inline VecI half_bits(Vec v) {
  const Vec limited = clamp(v, -kLargestHalf, kLargestHalf);
  const VecI sign = ((VecI)limited >> 16) & 0x8000;
  const VecI magnitude = (VecI)abs(limited);
  const VecI normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
  // Subnormal halves: adding 0.5 aligns the mantissa so that the addition rounds it.
  const VecI subnormal = (VecI)((Vec)magnitude + 0.5f) - 0x3f000000;
  return select(magnitude < 0x38800000, subnormal, normal) | sign;
}

/// The value of a finite half's bits.
inline Vec half_value(VecI bits) {
  const VecI rest = bits & 0x7fff;
  const VecI normal = (rest << 13) + 0x38000000;
  const VecI subnormal = (VecI)(to_float(rest) * 0x1p-24f);
  return (Vec)(select(rest < 0x0400, subnormal, normal) | ((bits & 0x8000) << 16));
}

inline float sum_lanes(Vec v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

inline float max_lane(Vec v) {
  float m = v[0];
  for (int l = 1; l < kLanes; ++l) m = v[l] > m ? v[l] : m;
  return m;
}

/// rows[i] holds 8 floats of row i; afterwards rows[i] holds element i of every row.
inline void transpose8(Vec* rows) {
  Vec t[8], u[8];
  for (int i = 0; i < 4; ++i) {
    const Vec a = rows[2 * i], b = rows[2 * i + 1];
    t[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    t[2 * i + 1] = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 2; ++i) {
    for (int k = 0; k < 2; ++k) {
      const Vec a = t[4 * i + k], b = t[4 * i + 2 + k];
      u[4 * i + 2 * k] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
      u[4 * i + 2 * k + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/// Up to eight groups of N values, group l at p + l * N, into out[N]: lane l of out[j] is value j of
/// group l. Lanes without a group hold `fill`. Magnitudes are cut to `limit`.
template <int N>
inline void load_groups(const float* p, int groups, float limit, float fill, Vec* out) {
  for (int j = 0; j < N; j += 8) {
    for (int l = 0; l < kLanes; ++l) {
      out[j + l] = l < groups ? clamp(load(p + l * N + j), -limit, limit) : splat(fill);
    }
    transpose8(out + j);
  }
}

/// The inverse of load_groups for codes 0..255: byte l * N + j of `out` is lane l of codes[j].
template <int N>
inline void store_codes(const Vec* codes, uint8_t* out) {
  // Each lane of a word holds four codes of its group; eight words at a time are turned so that each
  // group's lie side by side.
  static_assert(N % 16 == 0);
  for (int first = 0; first < N; first += 32) {
    constexpr int kWords = N < 32 ? N / 4 : 8;
    Vec words[8];
    for (int i = 0; i < 8; ++i) {
      const Vec* c = codes + first + 4 * (i % kWords);
      words[i] = (Vec)(to_int(c[0] + 256.0f * c[1]) | to_int(c[2] + 256.0f * c[3]) << 16);
    }
    transpose8(words);
    for (int l = 0; l < kLanes; ++l) std::memcpy(out + l * N + first, &words[l], 4 * kWords);
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
