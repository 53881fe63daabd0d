#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"

/// Products of float32 matrices for gradients, through the kernels: one operand is packed, and that again and
/// again in the same memory. Results do not depend on the number of threads.
namespace nibble {

struct KernelEntry;

/// A matrix b [rows, cols], which must outlive its use, as the right operand of products.
class FloatOperand {
 public:
  void pack(const float* b, size_t rows, size_t cols, ThreadPool& pool);
  /// The transpose of b [rows, cols], of which nothing is kept.
  void pack_transposed(const float* b, size_t rows, size_t cols, ThreadPool& pool);
  /// y [m, rows] = a [m, cols] b^T.
  void multiply(const float* a, size_t m, float* y, ThreadPool& pool);

 private:
  bool reserve(const KernelEntry& kernel, size_t rows, size_t cols);

  AlignedBuffer packed_;
  std::vector<float> transposed_;  ///< where the kernel takes the matrix as it is
  Linear linear_;
  Activations activations_;
};

/// to [cols, rows] = the transpose of from [rows, cols].
void transpose(const float* from, size_t rows, size_t cols, float* to, ThreadPool& pool);

}  // namespace nibble
