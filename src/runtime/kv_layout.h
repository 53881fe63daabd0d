#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/vector_ops.h"

namespace nibble {

enum class KvType { f32, f16 };

/// Positions of a block, the unit in which the cache gives memory and attention reads: few enough that a
/// head's block stays in the level-1 or level-2 cache while many queries read it, and that little is left
/// empty at a sequence's end; enough that a block is some pages long.
inline constexpr uint32_t kKvBlock = 64;
static_assert(kKvBlock % kKeyPanel == 0);

/// How the keys and values of one head lie in a block, keys first:
///   keys    [kKvBlock / kKeyPanel, head_dim, kKeyPanel] elements, so that a vector's lanes are positions
///   values  [kKvBlock, value_stride] elements
/// where an element is a float or a half. Blocks of zeros have zero padding, and writing leaves it so.
struct KvLayout {
  KvLayout() = default;
  KvLayout(KvType type, uint32_t head_dim);

  /// Writes the key and value [head_dim] of the head's position in [0, kKvBlock). Positions of one block
  /// may be written at the same time.
  void store(std::byte* block, uint32_t position, const float* key, const float* value) const;

  KvType type = KvType::f16;
  uint32_t head_dim = 0;
  uint32_t value_stride = 0;  ///< head_dim rounded up to a multiple of 16
  size_t values = 0;          ///< where the values begin, in bytes
  size_t bytes = 0;           ///< of all, a multiple of a cache line
};

}  // namespace nibble
