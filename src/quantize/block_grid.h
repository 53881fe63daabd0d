#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

/// Blocks with their scales taken out: what methods work with that choose scales first and codes one by one.
namespace nibble {

/// How many columns share scales that are chosen together: the format's block, or the whole row of INT8.
uint64_t scale_block(DType dtype, uint64_t cols);

/// True for types whose codes can be chosen one by one: all but the float types and those whose scales are
/// quantized over the whole tensor (NF4_DQ, FP4_DQ).
bool has_grid(DType dtype);

/// The levels of a block's elements: element j may be scale[j] * levels[c] + offset[j] for any code c.
struct Grid {
  std::span<const float> levels;   ///< ascending [codes], or empty for codes 0 .. largest themselves
  std::span<const uint8_t> order;  ///< the code of each level; empty: its place
  int largest = 0;
};
/// The levels of a type.
Grid grid_of(DType dtype);

/// scale and offset [n] of the elements of one scale block, read from its bytes.
void read_scales(DType dtype, const std::byte* block, uint64_t n, float* scale, float* offset);

/// Multiplies the scale of a block, and so all of its values, by a factor; false for types whose blocks have
/// more than one scale or an offset, or so many codes that it would gain nothing (8 bits).
bool stretch_scale(DType dtype, float factor, std::byte* block);

/// Which of a block's values can be moved one by one, each block's by itself.
enum class BlockScales {
  fixed,  ///< several scales chosen together, powers of two, or 8 bits, where it would gain nothing
  scale,  ///< one scale; the offset, if any, is a multiple of it
  scale_and_offset,  ///< both, stored apart
};
BlockScales block_scales(DType dtype);
/// Stores a scale (and offset) in a block, rounded to what the type stores; read_scales() tells to what.
void write_scales(DType dtype, float scale, float offset, std::byte* block);

/// Puts codes [n] into a block in place of those that it has; its scales stay.
void write_codes(DType dtype, const uint8_t* codes, uint64_t n, std::byte* block);

/// A code and what it stands for.
struct GridPoint {
  uint8_t code;
  float value;
};
/// The level nearest to x.
GridPoint nearest(const Grid& grid, float x, float scale, float offset);

}  // namespace nibble
