#pragma once

#include <cstddef>
#include <cstdint>

/// What a kernel is called with. Plain data: files of every instruction set include it.
namespace nibble {

struct TensorView;

/// Rows of a packed panel: one load of a panel feeds that many outputs (packing.h).
inline constexpr size_t kPanelRows = 16;

/// Columns of activations that share a sum, 16 to 128, and those that share a scale, 32 to 128.
struct ActivationGroups {
  size_t sum = 0, scale = 0;

  constexpr ActivationGroups(size_t both) : ActivationGroups(both, both < 32 ? 32 : both) {}
  constexpr ActivationGroups(size_t sum_columns, size_t scale_columns)
      : sum(sum_columns), scale(scale_columns) {}
  constexpr bool operator==(const ActivationGroups&) const = default;
};

/// Activations [tokens, cols] in the form the kernel asks for; pointers of other forms are null. Scales and
/// sums stand token beside token, so that a tile of tokens reads them in one place.
struct ActivationArgs {
  size_t tokens, cols;
  size_t padded_cols;  ///< cols rounded up to groups.scale; padding is zero
  const float* x;      ///< [tokens, cols]
  ActivationGroups groups = 0;
  size_t stride;             ///< from a token to the next in q, moved, q16 and parts; at least their columns
  const int8_t* q;           ///< [tokens, stride]
  const uint8_t* moved;      ///< [tokens, stride]: q + 128, the unsigned operand of VPDPBUSD
  const int16_t* q16;        ///< [tokens, stride]: of each four q's, first and third, then second and fourth
  const uint16_t* parts;     ///< [tokens, stride]: bfloat16s that add up to x (bfloat16_parts.h)
  const float* scale;        ///< [padded_cols / groups.scale, tokens]
  const int32_t* sums;       ///< [padded_cols / groups.sum, tokens], sums of q
  const float* scaled_sums;  ///< [padded_cols / groups.sum, tokens], the sums times their scale
};

/// y[t * y_stride + r] = sum over c of W[r, c] * x[t, c] for rows [row_begin, row_end) and all tokens.
struct MatmulArgs {
  const TensorView* tensor;  ///< the weights as they lie in the file, for the reference kernels
  const std::byte* packed;   ///< the weights as KernelEntry::pack wrote them
  size_t rows, cols;
  size_t row_begin, row_end;  ///< row_begin is a multiple of kPanelRows
  ActivationArgs activations;
  size_t first_token;  ///< those before are left out
  float* y;
  size_t y_stride;
  std::byte* scratch;  ///< of this thread, kMatmulScratchBytes, on a cache line
  size_t token_block;  ///< tokens whose activations stay in the second-level cache together
  size_t tile_bytes;   ///< of unpacked weights that stay in the first-level cache together
};

/// Scratch memory holds a tile's unpacked weights, and after them the accumulators of a block of tokens;
/// where weights are not unpacked, the activations of a tile (simd/tile_tokens.h).
inline constexpr size_t kTileScratchBytes = 64 * 1024, kMostTokenBlock = 256, kMostTileRows = 64;
inline constexpr size_t kMatmulScratchBytes =
    kTileScratchBytes + kMostTokenBlock * kMostTileRows * sizeof(float);

using MatmulFunction = void (*)(const MatmulArgs&);

/// Where the int8 form of one token goes (ActivationArgs).
struct QuantizedToken {
  int8_t* q;       ///< [padded cols]
  uint8_t* moved;  ///< [padded cols], or null
  float* scale;    ///< element g at [g * stride], as those below
  int32_t* sums;
  float* scaled_sums;
  size_t stride;
};

/// Quantizes one token. Every instruction set gives the same bits: scale =
/// max|x| / 127 and q = x * (127 / max|x|) rounded to nearest even. A group with a value that is not finite
/// gets a scale that is not.
using QuantizeActivations = void (*)(const float* x, size_t cols, ActivationGroups groups,
                                     const QuantizedToken& out);

}  // namespace nibble
