#pragma once

#include "kernels/matmul_args.h"

/// Scalar kernels that read the file's bytes: what every other kernel is held to.
namespace nibble {

/// Integer formats with int8 activations. For each output, groups in order of their columns:
///   acc = fma(float(sum of w q), weight scale * activation scale, acc)
/// or, where two groups of weights share a scale of the activations,
///   acc = fma(fma(float(second sum), second scale, float(first sum) * first scale), activation scale, acc)
/// and, where the format has a min, for each group then
///   acc = fma(min, float(sum of q) * activation scale, acc).
/// All integer kernels perform these operations, so their results are equal bit for bit.
void reference_integer_matmul(const MatmulArgs& args);

/// Float formats. For each output, in blocks of 64 columns: part = sum in order of w x, acc = acc + part.
void reference_float_matmul(const MatmulArgs& args);

}  // namespace nibble
