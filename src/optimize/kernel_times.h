#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace nibble {

/// How long this machine takes to multiply a matrix by one token, as decode does: measured once for each type
/// and width, on matrices that come from memory and not from a cache.
class KernelTimes {
 public:
  explicit KernelTimes(ThreadPool& pool) : pool_(pool) {}
  /// Seconds for [rows, cols]; cols must be a multiple of the type's block.
  double seconds(DType dtype, uint64_t rows, uint64_t cols);

 private:
  double measure(DType dtype, uint64_t cols) const;

  ThreadPool& pool_;
  std::map<std::pair<DType, uint64_t>, double> seconds_per_row_;
};

}  // namespace nibble
