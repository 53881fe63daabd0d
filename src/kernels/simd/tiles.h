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

/// The outputs of one panel. The last panel of a matrix may have fewer than kPanelRows rows.
template <class V>
struct Outputs {
  float* y;
  size_t stride;
  size_t rows;

  static Outputs of_panel(const MatmulArgs& args, size_t row) {
    const size_t left = args.row_end - row;
    return {args.y + row, args.y_stride, left < kPanelRows ? left : kPanelRows};
  }

  template <int T>
  NIBBLE_INLINE void load(size_t token, typename V::Float (&acc)[T][V::kRowVectors]) const {
    for (int t = 0; t < T; ++t) {
      alignas(64) float row[kPanelRows] = {};
      const float* from = y + (token + t) * stride;
      if (rows < kPanelRows) from = static_cast<const float*>(memcpy(row, from, rows * sizeof(float)));
      for (int r = 0; r < V::kRowVectors; ++r) acc[t][r] = V::load_float(from + r * V::kRows);
    }
  }

  template <int T>
  NIBBLE_INLINE void store(size_t token, const typename V::Float (&acc)[T][V::kRowVectors]) const {
    for (int t = 0; t < T; ++t) store_token(token + t, acc[t]);
  }

  /// One token's accumulators [V::kRowVectors].
  NIBBLE_INLINE void store_token(size_t token, const typename V::Float* acc) const {
    alignas(64) float row[kPanelRows];
    float* to = y + token * stride;
    for (int r = 0; r < V::kRowVectors; ++r) {
      V::store_float((rows < kPanelRows ? row : to) + r * V::kRows, acc[r]);
    }
    if (rows < kPanelRows) memcpy(to, row, rows * sizeof(float));
  }
};

/// Calls body<T>(token) for tiles of Most tokens over [begin, end), and for halves of it at the end: fewer
/// sizes to compile, and a tail costs at most one pass over the panel more for each.
template <int Most, class Body>
NIBBLE_INLINE void for_each_tile(size_t begin, size_t end, Body&& body) {
  size_t token = begin;
  for (; token + Most <= end; token += Most) body.template operator()<Most>(token);
  if constexpr (Most > 1) {
    if (token < end) for_each_tile<Most / 2>(token, end, body);
  }
}

}  // namespace nibble::simd
