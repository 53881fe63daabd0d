#pragma once

namespace nibble {

/// Which scale a block of NF4 or FP4 takes, with double quantization or without.
enum class FourBitScale {
  absmax,   ///< its largest magnitude: bitsandbytes' scales and codes, bit for bit
  learned,  ///< that of the least (weighted) squared error
};

}  // namespace nibble
