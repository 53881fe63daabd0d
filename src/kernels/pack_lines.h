#pragma once

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/packed_format.h"

/// Rows to lines, which is most of the work of packing, with the vectors that every x86-64 has.
namespace nibble {

/// 32 bytes of each row of a panel, quad by quad: [8][16 rows][4].
using Lines = uint8_t[8][kCodeLineBytes];

inline __m128i load16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline void store16(void* to, __m128i x) {
  _mm_storeu_si128(static_cast<__m128i*>(to), x);
}

/// In place: a copy would be stored in one cut and loaded in another, and each load wait for the stores.
template <typename Block>
const Block& block_at(const std::byte* blocks, size_t index) {
  return reinterpret_cast<const Block*>(blocks)[index];
}

/// rows: the first of 16 rows that stand `stride` bytes apart, 32 bytes of each.
inline void transpose_rows(const uint8_t* rows, size_t stride, Lines& lines) {
  for (size_t row = 0; row < kPanelRows; row += 4) {
    for (size_t h = 0; h < 2; ++h) {
      const uint8_t* from = rows + row * stride + 16 * h;
      const __m128i a = load16(from), b = load16(from + stride);
      const __m128i c = load16(from + 2 * stride), d = load16(from + 3 * stride);
      const __m128i ab01 = _mm_unpacklo_epi32(a, b), cd01 = _mm_unpacklo_epi32(c, d);
      const __m128i ab23 = _mm_unpackhi_epi32(a, b), cd23 = _mm_unpackhi_epi32(c, d);
      store16(lines[4 * h] + 4 * row, _mm_unpacklo_epi64(ab01, cd01));
      store16(lines[4 * h + 1] + 4 * row, _mm_unpackhi_epi64(ab01, cd01));
      store16(lines[4 * h + 2] + 4 * row, _mm_unpacklo_epi64(ab23, cd23));
      store16(lines[4 * h + 3] + 4 * row, _mm_unpackhi_epi64(ab23, cd23));
    }
  }
}

/// Lines of pairs of 2 bytes, a pair a row, to the first element of all rows and then the second.
inline void split_pairs(Lines& lines) {
  for (auto& line : lines) {
    // Eight rows at a time: the first elements' sign-extended halves pack without saturation.
    __m128i first[2], second[2];
    for (size_t i = 0; i < 2; ++i) {
      const __m128i a = load16(line + 32 * i), b = load16(line + 32 * i + 16);
      first[i] = _mm_packs_epi32(_mm_srai_epi32(_mm_slli_epi32(a, 16), 16),
                                 _mm_srai_epi32(_mm_slli_epi32(b, 16), 16));
      second[i] = _mm_packs_epi32(_mm_srai_epi32(a, 16), _mm_srai_epi32(b, 16));
    }
    for (size_t i = 0; i < 2; ++i) {
      store16(line + 16 * i, first[i]);
      store16(line + 32 + 16 * i, second[i]);
    }
  }
}

/// Bits [From, From + Width) of `Count` lines, side by side in one line from bit 0 up.
template <int Width, int Count, int From>
void store_planes(const uint8_t (*lines)[kCodeLineBytes], uint8_t* out) {
  static_assert(Width * Count <= 8);
  const __m128i mask = _mm_set1_epi8((1 << Width) - 1);
  for (size_t i = 0; i < kCodeLineBytes; i += 16) {
    __m128i bytes = _mm_setzero_si128();
    for (int line = 0; line < Count; ++line) {
      // 16-bit shifts: the mask takes off what crosses from the byte above, and nothing crosses upwards.
      const __m128i bits = _mm_and_si128(_mm_srli_epi16(load16(lines[line] + i), From), mask);
      bytes = _mm_or_si128(bytes, _mm_slli_epi16(bits, Width * line));
    }
    store16(out + i, bytes);
  }
}

/// A part of a quad's codes into the line that holds it.
inline void add_bits(const uint8_t (&quad)[kCodeLineBytes], const CodePart& part, uint8_t* line) {
  const __m128i mask = _mm_set1_epi8(char((1 << part.bits) - 1));
  for (size_t i = 0; i < kCodeLineBytes; i += 16) {
    // 16-bit shifts, as in store_planes.
    const __m128i bits = _mm_and_si128(_mm_srli_epi16(load16(quad + i), part.from), mask);
    store16(line + i, _mm_or_si128(load16(line + i), _mm_slli_epi16(bits, part.at)));
  }
}

/// Two codes of 4 bits a byte, the first one low: out[i] = codes[2 i] | codes[2 i + 1] << 4, 32 of them.
inline void join_nibbles(const uint8_t* codes, uint8_t* out) {
  const __m128i low = _mm_set1_epi16(0xff);
  for (size_t i = 0; i < 2; ++i) {
    const __m128i a = load16(codes + 32 * i), b = load16(codes + 32 * i + 16);
    const __m128i pairs_a = _mm_and_si128(_mm_or_si128(a, _mm_srli_epi16(a, 4)), low);
    const __m128i pairs_b = _mm_and_si128(_mm_or_si128(b, _mm_srli_epi16(b, 4)), low);
    store16(out + 16 * i, _mm_packus_epi16(pairs_a, pairs_b));
  }
}

}  // namespace nibble
