#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/quantized_attention.h"
#include "kernels/vector_ops.h"

namespace nibble {

/// How keys and values are kept. int8: per position and head, keys with a half scale for 32 elements,
/// values with one for the head. int4: with a half scale and a half minimum for 32 elements of either.
/// Quantized keys are rotated first, and queries with them, which changes no product but spreads the few
/// large elements of keys over all (QuaRot, Ashkboos et al. 2024); the unrotated types leave them as they
/// are, to measure what that costs.
enum class KvType { f32, f16, int8, int4, int8_unrotated, int4_unrotated };

/// f32, f16, q8_0 and q4_0, as other programs spell what is nearest, q8_0_unrotated and q4_0_unrotated.
std::string_view kv_type_name(KvType type);
/// These names, and int8 and int4.
std::vector<std::string> kv_type_names();
/// From one of kv_type_names(); nothing for others.
std::optional<KvType> kv_type_from_name(std::string_view name);

/// Positions of a block, the unit in which the cache gives memory and attention reads: few enough that a
/// head's block stays in the level-1 or level-2 cache while many queries read it, and that little is left
/// empty at a sequence's end; enough that a block is some pages long.
inline constexpr uint32_t kKvBlock = kKvPositions;
static_assert(kKvBlock == kKeyStride);

/// How the keys and values of one head lie in a block, in the order in which attention reads them:
///   keys    [head_dim, kKvBlock] elements, so that a vector's lanes are positions
///   values  [kKvBlock, value_stride] elements
/// where an element is a float or a half; for int8 and int4 as kernels/quantized_attention.h has them, with
/// the values' scales before the values. Blocks of zeros have zero padding, and writing leaves it so.
struct KvLayout {
  KvLayout() = default;
  KvLayout(KvType of, uint32_t head_dim);

  /// y = factor * x, rotated where the type says so, for the keys or queries [heads, head_dim] of a quantized
  /// cache. y may be x.
  void rotate(const float* x, float factor, float* y, size_t heads) const;
  /// Writes the (rotated) key and the value [head_dim] of the head's position in [0, kKvBlock). Positions of
  /// one block may be written at the same time.
  void store(std::byte* block, uint32_t position, const float* key, const float* value) const;

  bool quantized() const { return type == KvType::int8 || type == KvType::int4; }
  size_t groups() const { return (head_dim + kKvGroup - 1) / kKvGroup; }
  size_t value_groups() const { return type == KvType::int8 ? 1 : groups(); }

  KvType type = KvType::f16;  ///< f32, f16, int8 or int4
  bool rotated = true;        ///< keys and queries, where they are quantized
  uint32_t head_dim = 0;
  uint32_t value_stride = 0;  ///< head_dim rounded up to a multiple of 16, of kKvGroup for int8 and int4
  // Where each part begins, in bytes. Keys are at 0.
  size_t value_scales = 0, value_minima = 0;  ///< [value_groups, kKvBlock] halves
  size_t values = 0;
  size_t bytes = 0;  ///< of all, a multiple of a cache line
};

}  // namespace nibble
