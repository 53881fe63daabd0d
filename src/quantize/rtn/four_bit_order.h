#pragma once

#include "quantize/rtn/lanes.h"

namespace nibble::NIBBLE_RTN_ISA {

/// Codes in ascending order of their values. FP4's two zeros stand in the order in which bitsandbytes
/// sorts them: zero and what rounds to it from below is 0, what rounds to it from above is 8.
constexpr uint8_t kNF4Order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr uint8_t kFP4Order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

}  // namespace nibble::NIBBLE_RTN_ISA
