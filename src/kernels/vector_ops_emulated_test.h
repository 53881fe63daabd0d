#pragma once

#include "kernels/vector_ops.h"

namespace nibble {

/// The vector versions over an emulated vector of 16 lanes: the tiles and tails of AVX-512, on any machine.
extern const VectorOps kVectorOpsEmulated;

}  // namespace nibble
