#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/vector_ops.h"

/// Attention's inner loops over keys and values held as integers. Products are integer dot products, exact
/// and the same for every instruction set; only their scaling and summing is in floats. As in VectorOps
/// every result depends on its own row only.
namespace nibble {

/// Consecutive elements of a head with a scale in common.
inline constexpr size_t kKvGroup = 32;
/// Positions of a block.
inline constexpr size_t kKvPositions = kKeyStride;
inline constexpr size_t kKvPanels = kKvPositions / kKeyPanel;
/// Bytes of a group of keys: codes, then scales, then minima, in the order in which they are read, since
/// memory is read fastest straight on.
inline constexpr size_t kInt8KeyBytes = kKvGroup * kKvPositions + 2 * kKvPositions;
inline constexpr size_t kInt4KeyBytes = kKvGroup / 2 * kKvPositions + 2 * 2 * kKvPositions;
/// The weights of values are integers below 2^14 in two planes of 7 bits, low and high, so that a product
/// with a byte fits the 16 bits of VPMADDUBSW twice. Their step is 1/16383 of the largest of a row and block:
/// far below that of an int8 value.
inline constexpr int kKvWeightBits = 7;
inline constexpr int kKvLargestWeight = (1 << 2 * kKvWeightBits) - 1;

/// Queries in groups of kKvGroup: x ~ scale * code, codes in [-127, 127], padding zero.
struct QueryCodes {
  const int8_t* codes;  ///< [rows, groups * kKvGroup]
  const float* scales;  ///< [rows, groups]
  const int32_t* sums;  ///< [rows, groups], of the codes
  size_t groups;
};

/// Softmax weights times the scales of the values, as integers.
struct ValueWeights {
  const uint8_t* planes;  ///< [rows, groups, 2, kKvPositions]
  const float* scales;    ///< [rows], of the integers
  const float* offsets;   ///< [rows, groups], what the values' minima add to every element
  size_t groups;          ///< of scales: 1 where a value has a single one, else groups of its elements
};

struct QuantizedAttentionOps {
  /// scores[r * stride + p] = query r . key p for the positions p of panels [first, last) of kKeyPanel. A
  /// group of keys [groups, kInt8KeyBytes] has
  ///   codes   [kKvGroup / 4, kKvPositions, 4] bytes of code + 128, codes in [-127, 127]
  ///   scales  [kKvPositions] halves: key = scale * code
  void (*score_int8)(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first, size_t last,
                     float* scores, size_t stride);
  /// The same for key = scale * code + minimum, codes in [0, 15]. A group of keys [groups, kInt4KeyBytes] has
  ///   codes   [kKvGroup / 8, kKvPositions, 4] bytes: of 8 elements the first 4 in the low nibbles, the
  ///           others in the high ones
  ///   scales, minima  [kKvPositions] halves
  void (*score_int4)(const QueryCodes& queries, size_t rows, const uint8_t* keys, size_t first, size_t last,
                     float* scores, size_t stride);

  /// One row's weights [kKvPositions], zero for positions that don't count, times the scales of the values
  /// [groups, kKvPositions] halves, as planes [groups, 2, kKvPositions]. Returns the integers' scale; a
  /// position whose weight is zero counts for nothing whatever its scales.
  float (*quantize_weights)(const float* weights, const uint16_t* scales, size_t groups, uint8_t* planes);
  /// The sum of weight * minimum; zero weights count for nothing whatever the minimum.
  float (*weigh_minima)(const float* weights, const uint16_t* minima);

  /// out[r] = out[r] * rescale[r] + sum over the positions of quads [first, last) of weight * value, out
  /// [rows, dim], dim a multiple of kKvGroup.
  ///   values  [kKvPositions / 4, dim / 16, 16, 4] int8: one line is 16 elements of 4 positions
  void (*add_int8)(const ValueWeights& weights, size_t rows, const int8_t* values, size_t first, size_t last,
                   size_t dim, const float* rescale, float* out);
  /// The same for value = scale * code + minimum.
  ///   values  [dim / kKvGroup, kKvPositions / 4, 16, 4] bytes: of a group the first 16 elements in the low
  ///           nibbles
  void (*add_int4)(const ValueWeights& weights, size_t rows, const uint8_t* values, size_t first, size_t last,
                   size_t dim, const float* rescale, float* out);
};

/// The best table for the selected instruction set (NIBBLE_ISA counts).
const QuantizedAttentionOps& quantized_attention_ops();
/// The table written for this instruction set, or null where there is none.
const QuantizedAttentionOps* quantized_attention_ops_of(Isa isa);

}  // namespace nibble
