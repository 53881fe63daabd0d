#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace nibble {

/// How long this machine takes to multiply a matrix by one token, as decode does: measured once for each type
/// and width, on matrices that come from memory and not from a cache.
class KernelTimes {
 public:
  /// A type and a width, which must be a multiple of the type's block.
  using Kernel = std::pair<DType, uint64_t>;

  /// Measures all kernels, and shows how far it is.
  KernelTimes(const std::set<Kernel>& kernels, ThreadPool& pool);
  /// Seconds for [rows, cols], of a kernel that was measured.
  double seconds(DType dtype, uint64_t rows, uint64_t cols) const {
    return seconds_per_row_.at({dtype, cols}) * double(rows);
  }

 private:
  std::map<Kernel, double> seconds_per_row_;
};

}  // namespace nibble
