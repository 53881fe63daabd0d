#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// How near a tensor as a file holds it, Q, is to what it stands for, W: sums over its values, in double.
struct Fidelity {
  double source = 0;   ///< w^2
  double written = 0;  ///< q^2
  double product = 0;  ///< w q
  double error = 0;    ///< (w - q)^2

  /// Of a tensor that is copied.
  static Fidelity exact() { return {1, 1, 1, 0}; }
  /// n values of W, which are finite, and of Q.
  void add(const float* w, const float* q, uint64_t n);
  void add(const Fidelity& other);

  bool finite() const;            ///< all values of Q are
  double cosine() const;          ///< <W, Q> / (|W| |Q|); 1 where both are zero
  double relative_error() const;  ///< |W - Q|_F / |W|_F
};

/// Compares a tensor of any layout with its rows of values. The sums do not depend on the number of threads.
Fidelity measure_fidelity(const TensorView& written, FunctionRef<void(uint64_t row, float* w)> expected,
                          ThreadPool& pool);

/// The relative error above which a tensor is broken: its scales overflow or vanish in the precision that the
/// type stores them in, or a method went astray. Four times what the type loses of Gaussian weights, and 0.6
/// for types of 2 and 3 bits and for INT8, whose rows are long: as a cosine, sqrt(1 - error^2) at the least,
/// 0.94 for Q4_0 and 0.8 for Q2_K. A sparse type has the bound of its dense twin.
///
/// Healthy weights stay below. Where one value of each block of n dwarfs all others, which are then half a
/// step off, a symmetric type with levels up to L loses sqrt(n) / (2 L): 0.35 for Q4_0, 4.4 times its
/// Gaussian 0.081. Student's t with 3 degrees of freedom costs at most twice the Gaussian error in blocks of
/// up to 128.
double largest_error(DType dtype);

/// The type that takes the place of one whose codes do not hold a tensor with rows of `cols` values; F32 has
/// none and is returned itself.
///
///   2 and 3 bits -> Q4_K -> Q5_K -> Q6_K -> Q8_0 -> F16 -> F32,  4 bits -> Q5_K,  Q5_1 -> Q8_0,  INT8 ->
///   F16, BF16 -> F32,  sparse types -> their dense twins (dense_dtype)
///
/// each after the fallback for rows that do not divide by its block (quantize/fallback.h).
DType promoted_dtype(DType dtype, uint64_t cols);

}  // namespace nibble
