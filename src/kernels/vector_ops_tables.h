#pragma once

#include "kernels/vector_ops.h"

/// The tables behind vector_ops(), each defined in a file compiled for its instruction set.
namespace nibble {

extern const VectorOps kVectorOpsScalar;
extern const VectorOps kVectorOpsAvx2;
extern const VectorOps kVectorOpsAvx512;

}  // namespace nibble
