#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/cpu.h"

/// Loops that reach what one core can do, to measure a machine's roofs with.
namespace nibble {

struct RoofProbe {
  Isa isa;
  std::string_view instructions;  ///< that multiply: "VPDPBUSD zmm"
  /// Reads every byte and returns a value that depends on all. `bytes` is a multiple of kReadBlock, the
  /// data is aligned to 64.
  uint64_t (*read)(const void* data, size_t bytes);
  static constexpr size_t kReadBlock = 1024;
  /// Multiplies int8 by int8 in registers and adds to int32, exactly: `rounds` times products_per_round
  /// products. Returns a value that depends on all.
  uint64_t (*multiply)(uint64_t rounds);
  uint64_t products_per_round;
  /// Multiplies float32 by float32 in registers and adds, fused where the instruction set can: `rounds`
  /// times float_products_per_round products of 1. Returns the sum of all, each lane of which ends at 2^24.
  float (*multiply_float)(uint64_t rounds);
  uint64_t float_products_per_round;
};

/// The probe with the best int8 instructions of `isa`.
const RoofProbe& roof_probe(Isa isa);

}  // namespace nibble
