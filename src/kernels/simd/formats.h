#pragma once

#include "kernels/packed_format.h"

/// The formats that every instruction set instantiates its kernels for.

// The formatter wraps this list differently each time.
// clang-format off
#define NIBBLE_GROUP_32_FORMATS(DO) \
  DO(kPackedQ4_0) \
  DO(kPackedQ4_1) \
  DO(kPackedQ5_0) \
  DO(kPackedQ5_1) \
  DO(kPackedQ8_0) \
  DO(kPackedIQ4_NL) \
  DO(kPackedMXFP4)

#define NIBBLE_EXACT_WIDE_GROUP_FORMATS(DO) \
  DO(kPackedInt8) \
  DO(kPackedInt4G64) \
  DO(kPackedInt4G128) \
  DO(kPackedUint4G64) \
  DO(kPackedUint4G128)
// clang-format on

/// Groups of 64 columns and more.
#define NIBBLE_WIDE_GROUP_FORMATS(DO) NIBBLE_EXACT_WIDE_GROUP_FORMATS(DO) DO(kPackedNF4) DO(kPackedFP4)

/// Those that fill a row of AMX's tiles.
#define NIBBLE_TILE_FORMATS(DO) NIBBLE_WIDE_GROUP_FORMATS(DO) DO(kPackedQ3_K)

#define NIBBLE_BLOCK_FORMATS(DO) NIBBLE_GROUP_32_FORMATS(DO) NIBBLE_WIDE_GROUP_FORMATS(DO)

#define NIBBLE_SUPER_BLOCK_FORMATS(DO) \
  DO(kPackedQ2_K) DO(kPackedQ3_K) DO(kPackedQ4_K) DO(kPackedQ5_K) DO(kPackedQ6_K) DO(kPackedIQ4_XS)

#define NIBBLE_FLOAT_FORMATS(DO) \
  DO(FloatFormat::f32) DO(FloatFormat::f16) DO(FloatFormat::bf16) DO(FloatFormat::nf4) DO(FloatFormat::fp4)

/// Integer formats whose codes are the weights: NF4 and FP4 have float formats for exact values.
#define NIBBLE_EXACT_INTEGER_FORMATS(DO) \
  NIBBLE_GROUP_32_FORMATS(DO) NIBBLE_EXACT_WIDE_GROUP_FORMATS(DO) NIBBLE_SUPER_BLOCK_FORMATS(DO)
