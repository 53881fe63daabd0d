#pragma once

#include <string.h>

#include "kernels/matmul_args.h"
#include "kernels/simd/unroll.h"

/// What integer and float kernels share: accumulators [tokens][row vectors] and their way to y.
namespace nibble::simd {

template <class V, int T, int R>
NIBBLE_INLINE void set_zero(typename V::Float (&acc)[T][R]) {
  for (auto& of_token : acc) {
    for (auto& a : of_token) a = V::zero_float();
  }
}

/// The outputs of Panels neighbouring panels. The matrix may end within them.
template <class V, int Panels>
struct Outputs {
  static constexpr int kVectors = Panels * V::kRowVectors;
  float* y;
  size_t stride;
  size_t rows;

  Outputs(const MatmulArgs& args, size_t row)
      : y(args.y + row), stride(args.y_stride), rows(least(args.row_end - row, Panels * kPanelRows)) {}

  template <int T>
  NIBBLE_INLINE void load(size_t token, typename V::Float (&acc)[T][kVectors]) const {
    for (int t = 0; t < T; ++t) {
      alignas(64) float part[Panels * kPanelRows] = {};
      const float* from = y + (token + t) * stride;
      if (!whole()) from = static_cast<const float*>(memcpy(part, from, rows * sizeof(float)));
      for (int r = 0; r < kVectors; ++r) acc[t][r] = V::load_float(from + r * V::kRows);
    }
  }

  template <int T>
  NIBBLE_INLINE void store(size_t token, const typename V::Float (&acc)[T][kVectors]) const {
    for (int t = 0; t < T; ++t) {
      alignas(64) float part[Panels * kPanelRows];
      float* to = y + (token + t) * stride;
      for (int r = 0; r < kVectors; ++r) V::store_float((whole() ? to : part) + r * V::kRows, acc[t][r]);
      if (!whole()) memcpy(to, part, rows * sizeof(float));
    }
  }

 private:
  static constexpr size_t least(size_t a, size_t b) { return a < b ? a : b; }
  NIBBLE_INLINE bool whole() const { return rows == Panels * kPanelRows; }
};

/// Calls body<T>() with T = size, which is from 1 to Most.
template <int Most, class Body>
NIBBLE_INLINE void with_size(size_t size, Body&& body) {
  unroll<Most>([&]<int I>() NIBBLE_INLINE_LAMBDA {
    if (size == I + 1) body.template operator()<I + 1>();
  });
}

/// Calls body<T>(token) for tiles of up to Most tokens over [begin, end); the last two share what is left
/// evenly, since a small tile costs nearly as much as a large one.
template <int Most, class Body>
NIBBLE_INLINE void for_each_tile(size_t begin, size_t end, Body&& body) {
  size_t token = begin;
  for (; end - token >= 2 * Most || end - token == Most; token += Most) body.template operator()<Most>(token);
  while (token < end) {
    const size_t left = end - token, size = left > Most ? (left + 1) / 2 : left;
    with_size<Most>(size, [&]<int T>() { body.template operator()<T>(token); });
    token += size;
  }
}

}  // namespace nibble::simd
