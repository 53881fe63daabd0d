#pragma once

#include "kernels/quantized_attention.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/unroll.h"

/// The functions of kernels/quantized_attention.h, for any vector type V: that of the instruction set's
/// matrix kernels (avx2/vectors.h, avx512/vectors.h) and
///
///   kIntegerSums                  sums of a tile, which leave registers for the operands
///   absolute8, with_sign8         |x| and y with the sign of x of each byte, where V has no dot products
///   shift_left32, shift_right32, to_int (to nearest even), store_bytes (the low byte of each lane)
///   min, max                      the second operand where either is NaN
///   zero_with(w, x)               x, and 0 in the lanes where w is 0
///   sum, largest                  of all lanes
namespace nibble::simd {

template <class V>
class QuantizedAttention {
  using Int = typename V::Int;
  using Float = typename V::Float;
  static constexpr size_t kLanes = V::kRows, kBytes = V::kBytes;
  static constexpr size_t kPerPanel = kKeyPanel / kLanes;
  static constexpr size_t kLineBytes = 4 * 16, kKeyLineBytes = 4 * kKvPositions;
  static constexpr int kMaxRows = 4;

  /// Keys are bytes of code + 128. With dot products they are multiplied as they are, and 128 times the
  /// queries' sum is taken off; without, the codes are multiplied.
  static constexpr int kKeyBias = V::kDotProduct ? 128 : 0;

  /// Adds four products of unsigned a and signed b, |a * b| < 2^14, to each lane.
  static NIBBLE_INLINE Int dot_small(Int sum, Int a, Int b) {
    if constexpr (V::kDotProduct) return V::dot(sum, a, b);
    return V::add32(sum, V::madd(V::maddubs(a, b), V::set16(1)));
  }

  /// Adds four products of key - 128 + kKeyBias and query to each lane.
  static NIBBLE_INLINE Int dot_key(Int sum, Int key, Int query) {
    if constexpr (V::kDotProduct) {
      return V::dot(sum, key, query);
    } else {
      // VPMADDUBSW wants one unsigned operand: the key's sign goes to the query.
      const Int code = V::bit_xor(key, V::set8(-128));
      return dot_small(sum, V::absolute8(code), V::with_sign8(query, code));
    }
  }

  struct Int8Keys {
    static constexpr size_t kLines = kKvGroup / 4, kGroupBytes = kInt8KeyBytes;
    static constexpr int kBias = kKeyBias;
    /// The products of a line of keys with the queries that belong to it.
    template <size_t Rows>
    static NIBBLE_INLINE void dot(Int* sums, Int line, const int8_t* queries, size_t stride, size_t l) {
      for (size_t r = 0; r < Rows; ++r) {
        sums[r] = dot_key(sums[r], line, V::broadcast32(queries + r * stride + 4 * l));
      }
    }
    /// Adds a group's sum to the score; `scales` are those of the lanes' positions.
    static NIBBLE_INLINE Float finish(const uint8_t* scales, Int sum, float scale, int32_t, Float score) {
      return V::fma(V::to_float(sum), V::mul(V::load_half(scales), V::set_float(scale)), score);
    }
  };

  struct Int4Keys {
    static constexpr size_t kLines = kKvGroup / 8, kGroupBytes = kInt4KeyBytes;
    static constexpr int kBias = 0;
    template <size_t Rows>
    static NIBBLE_INLINE void dot(Int* sums, Int line, const int8_t* queries, size_t stride, size_t l) {
      const Int low = low_nibbles(line), high = high_nibbles(line);
      for (size_t r = 0; r < Rows; ++r) {
        const int8_t* query = queries + r * stride + 8 * l;
        sums[r] = dot_small(sums[r], low, V::broadcast32(query));
        sums[r] = dot_small(sums[r], high, V::broadcast32(query + 4));
      }
    }
    static NIBBLE_INLINE Float finish(const uint8_t* scales, Int sum, float scale, int32_t query_sum,
                                      Float score) {
      const Float minimum = V::mul(V::load_half(scales + 2 * kKvPositions), V::set_float(float(query_sum)));
      const Float group = V::fma(V::to_float(sum), V::load_half(scales), minimum);
      return V::fma(group, V::set_float(scale), score);
    }
  };

  static NIBBLE_INLINE Int low_nibbles(Int v) { return V::bit_and(v, V::set8(15)); }
  static NIBBLE_INLINE Int high_nibbles(Int v) { return low_nibbles(V::template shift_right16<4>(v)); }

  /// Rows x Vectors * kLanes scores in registers; the vectors follow each other from `vector` on.
  template <size_t Rows, size_t Vectors, class Keys>
  static void score_tile(const QueryCodes& q, size_t row, const uint8_t* keys, size_t vector, float* scores,
                         size_t stride) {
    const size_t groups = q.groups, query_stride = groups * kKvGroup;
    const int8_t* queries = q.codes + row * query_stride;
    Float totals[Vectors][Rows];
    for (size_t j = 0; j < Vectors; ++j) {
      for (size_t r = 0; r < Rows; ++r) totals[j][r] = V::zero_float();
    }
    for (size_t g = 0; g < groups; ++g) {
      const float* scale = q.scales + row * groups + g;
      const int32_t* sum = q.sums + row * groups + g;
      const uint8_t* group = keys + g * Keys::kGroupBytes;
      Int sums[Vectors][Rows];
      for (size_t j = 0; j < Vectors; ++j) {
        for (size_t r = 0; r < Rows; ++r) sums[j][r] = V::set32(-Keys::kBias * sum[r * groups]);
      }
      for (size_t l = 0; l < Keys::kLines; ++l) {
        const uint8_t* line = group + l * kKeyLineBytes + vector * kBytes;
        for (size_t j = 0; j < Vectors; ++j) {
          Keys::template dot<Rows>(sums[j], V::load(line + j * kBytes), queries + g * kKvGroup, query_stride,
                                   l);
        }
      }
      const uint8_t* scales = group + Keys::kLines * kKeyLineBytes + 2 * vector * kLanes;
      for (size_t j = 0; j < Vectors; ++j) {
        for (size_t r = 0; r < Rows; ++r) {
          totals[j][r] = Keys::finish(scales + 2 * j * kLanes, sums[j][r], scale[r * groups], sum[r * groups],
                                      totals[j][r]);
        }
      }
    }
    for (size_t j = 0; j < Vectors; ++j) {
      for (size_t r = 0; r < Rows; ++r) {
        V::store_float(scores + (row + r) * stride + (vector + j) * kLanes, totals[j][r]);
      }
    }
  }

  template <size_t Rows, class Keys>
  static void score_rows(const QueryCodes& q, size_t row, const uint8_t* keys, size_t first, size_t last,
                         float* scores, size_t stride) {
    constexpr size_t kVectors = V::kIntegerSums / 2 / Rows;
    size_t v = first * kPerPanel;
    const size_t end = last * kPerPanel;
    if constexpr (kVectors >= 4) {
      for (; v + 4 <= end; v += 4) score_tile<Rows, 4, Keys>(q, row, keys, v, scores, stride);
    }
    if constexpr (kVectors >= 2) {
      for (; v + 2 <= end; v += 2) score_tile<Rows, 2, Keys>(q, row, keys, v, scores, stride);
    }
    for (; v < end; ++v) score_tile<Rows, 1, Keys>(q, row, keys, v, scores, stride);
  }

  template <class Keys>
  static void score(const QueryCodes& q, size_t rows, const uint8_t* keys, size_t first, size_t last,
                    float* scores, size_t stride) {
    for_each_tile<kMaxRows>(0, rows, [&]<int Rows>(size_t row) {
      score_rows<Rows, Keys>(q, row, keys, first, last, scores, stride);
    });
  }

  /// An integer sum over weights of two planes as the output's elements.
  static NIBBLE_INLINE void finish(Int low, Int high, float scale, float rescale, float offset, float* out) {
    const Int sum = V::add32(low, V::template shift_left32<kKvWeightBits>(high));
    const Float before = V::add(V::mul(V::load_float(out), V::set_float(rescale)), V::set_float(offset));
    V::store_float(out, V::fma(V::to_float(sum), V::set_float(scale), before));
  }

  /// Rows x Vectors * kLanes elements from `begin` on, all of one group of scales.
  template <size_t Rows, size_t Vectors>
  static void int8_tile(const ValueWeights& w, size_t row, size_t group, const int8_t* values, size_t first,
                        size_t last, size_t dim, size_t begin, const float* rescale, float* out) {
    Int low[Vectors][Rows], high[Vectors][Rows];
    for (size_t j = 0; j < Vectors; ++j) {
      for (size_t r = 0; r < Rows; ++r) low[j][r] = high[j][r] = V::set32(0);
    }
    const uint8_t* planes = w.planes + (row * w.groups + group) * 2 * kKvPositions;
    const size_t plane_stride = w.groups * 2 * kKvPositions;
    for (size_t quad = first; quad < last; ++quad) {
      Int low_weight[Rows], high_weight[Rows];
      for (size_t r = 0; r < Rows; ++r) {
        low_weight[r] = V::broadcast32(planes + r * plane_stride + 4 * quad);
        high_weight[r] = V::broadcast32(planes + r * plane_stride + kKvPositions + 4 * quad);
      }
      for (size_t j = 0; j < Vectors; ++j) {
        const Int value = V::load(values + (quad * dim + begin + j * kLanes) * 4);
        for (size_t r = 0; r < Rows; ++r) {
          low[j][r] = dot_small(low[j][r], low_weight[r], value);
          high[j][r] = dot_small(high[j][r], high_weight[r], value);
        }
      }
    }
    for (size_t j = 0; j < Vectors; ++j) {
      for (size_t r = 0; r < Rows; ++r) {
        finish(low[j][r], high[j][r], w.scales[row + r], rescale[row + r], 0.0f,
               out + (row + r) * dim + begin + j * kLanes);
      }
    }
  }

  template <size_t Rows>
  static void int8_rows(const ValueWeights& w, size_t row, const int8_t* values, size_t first, size_t last,
                        size_t dim, const float* rescale, float* out) {
    constexpr size_t kVectors = V::kIntegerSums / 2 / Rows;
    const size_t group_dim = dim / w.groups;
    for (size_t g = 0; g < w.groups; ++g) {
      size_t i = g * group_dim;
      const size_t end = i + group_dim;
      if constexpr (kVectors >= 8) {
        for (; i + 8 * kLanes <= end; i += 8 * kLanes) {
          int8_tile<Rows, 8>(w, row, g, values, first, last, dim, i, rescale, out);
        }
      }
      if constexpr (kVectors >= 4) {
        for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
          int8_tile<Rows, 4>(w, row, g, values, first, last, dim, i, rescale, out);
        }
      }
      if constexpr (kVectors >= 2) {
        for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
          int8_tile<Rows, 2>(w, row, g, values, first, last, dim, i, rescale, out);
        }
      }
      for (; i < end; i += kLanes) {
        int8_tile<Rows, 1>(w, row, g, values, first, last, dim, i, rescale, out);
      }
    }
  }

  /// A vector of a group's line: its low nibbles are elements of the group's first half, the high ones of
  /// the second.
  template <size_t Rows>
  static void int4_tile(const ValueWeights& w, size_t row, size_t group, size_t part, const uint8_t* values,
                        size_t first, size_t last, size_t dim, const float* rescale, float* out) {
    Int low[2][Rows], high[2][Rows];
    for (size_t half = 0; half < 2; ++half) {
      for (size_t r = 0; r < Rows; ++r) low[half][r] = high[half][r] = V::set32(0);
    }
    const uint8_t* planes = w.planes + (row * w.groups + group) * 2 * kKvPositions;
    const size_t plane_stride = w.groups * 2 * kKvPositions;
    values += group * kKvPositions / 4 * kLineBytes + part * kBytes;
    for (size_t quad = first; quad < last; ++quad) {
      const Int line = V::load(values + quad * kLineBytes);
      const Int codes[2] = {low_nibbles(line), high_nibbles(line)};
      for (size_t r = 0; r < Rows; ++r) {
        const Int low_weight = V::broadcast32(planes + r * plane_stride + 4 * quad);
        const Int high_weight = V::broadcast32(planes + r * plane_stride + kKvPositions + 4 * quad);
        for (size_t half = 0; half < 2; ++half) {
          low[half][r] = dot_small(low[half][r], codes[half], low_weight);
          high[half][r] = dot_small(high[half][r], codes[half], high_weight);
        }
      }
    }
    for (size_t half = 0; half < 2; ++half) {
      for (size_t r = 0; r < Rows; ++r) {
        const size_t index = (row + r) * w.groups + group;
        finish(low[half][r], high[half][r], w.scales[row + r], rescale[row + r], w.offsets[index],
               out + (row + r) * dim + group * kKvGroup + half * 16 + part * kLanes);
      }
    }
  }

  template <size_t Rows>
  static void int4_rows(const ValueWeights& w, size_t row, const uint8_t* values, size_t first, size_t last,
                        size_t dim, const float* rescale, float* out) {
    for (size_t g = 0; g < dim / kKvGroup; ++g) {
      for (size_t part = 0; part < kPerPanel; ++part) {
        int4_tile<Rows>(w, row, g, part, values, first, last, dim, rescale, out);
      }
    }
  }

 public:
  static void score_int8(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first,
                         size_t last, float* scores, size_t stride) {
    score<Int8Keys>(queries, rows, keys, first, last, scores, stride);
  }

  static void score_int4(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first,
                         size_t last, float* scores, size_t stride) {
    score<Int4Keys>(queries, rows, keys, first, last, scores, stride);
  }

  static float quantize_weights(const float* weights, const uint16_t* scales, size_t groups,
                                uint8_t* planes) {
    const auto scaled = [&](size_t g, size_t p) {
      const Float weight = V::load_float(weights + p);
      return V::zero_with(weight, V::mul(weight, V::load_half(scales + g * kKvPositions + p)));
    };
    Float most = V::zero_float();
    for (size_t g = 0; g < groups; ++g) {
      for (size_t p = 0; p < kKvPositions; p += kLanes) most = V::max(scaled(g, p), most);
    }
    const float largest = V::largest(most);
    const Float inverse = V::set_float(largest > 0.0f ? float(kKvLargestWeight) / largest : 0.0f);
    for (size_t g = 0; g < groups; ++g) {
      uint8_t* low = planes + 2 * g * kKvPositions;
      for (size_t p = 0; p < kKvPositions; p += kLanes) {
        const Float value = V::max(V::mul(scaled(g, p), inverse), V::zero_float());
        const Int weight = V::to_int(V::min(value, V::set_float(float(kKvLargestWeight))));
        V::store_bytes(low + p, V::bit_and(weight, V::set32((1 << kKvWeightBits) - 1)));
        V::store_bytes(low + kKvPositions + p, V::template shift_right32<kKvWeightBits>(weight));
      }
    }
    return largest * (1.0f / float(kKvLargestWeight));
  }

  static float weigh_minima(const float* weights, const uint16_t* minima) {
    Float total = V::zero_float();
    for (size_t i = 0; i < kKvPositions; i += kLanes) {
      const Float weight = V::load_float(weights + i);
      total = V::add(total, V::zero_with(weight, V::mul(weight, V::load_half(minima + i))));
    }
    return V::sum(total);
  }

  static void add_int8(const ValueWeights& weights, size_t rows, const int8_t* values, size_t first,
                       size_t last, size_t dim, const float* rescale, float* out) {
    for_each_tile<kMaxRows>(0, rows, [&]<int Rows>(size_t row) {
      int8_rows<Rows>(weights, row, values, first, last, dim, rescale, out);
    });
  }

  static void add_int4(const ValueWeights& weights, size_t rows, const uint8_t* values, size_t first,
                       size_t last, size_t dim, const float* rescale, float* out) {
    for_each_tile<kMaxRows>(0, rows, [&]<int Rows>(size_t row) {
      int4_rows<Rows>(weights, row, values, first, last, dim, rescale, out);
    });
  }
};

template <class V>
constexpr QuantizedAttentionOps kQuantizedAttention = {
    .score_int8 = QuantizedAttention<V>::score_int8,
    .score_int4 = QuantizedAttention<V>::score_int4,
    .quantize_weights = QuantizedAttention<V>::quantize_weights,
    .weigh_minima = QuantizedAttention<V>::weigh_minima,
    .add_int8 = QuantizedAttention<V>::add_int8,
    .add_int4 = QuantizedAttention<V>::add_int4,
};

}  // namespace nibble::simd
