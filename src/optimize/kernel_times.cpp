#include "optimize/kernel_times.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "base/cpu.h"
#include "base/progress.h"
#include "kernels/linear.h"
#include "kernels/synthetic_weights.h"

namespace nibble {

namespace {

/// A matrix is large enough that its start and end do not count, and all of them are larger than the caches.
constexpr uint64_t kMatrixBytes = 8u << 20, kLeastBytes = 64u << 20;
constexpr int kPasses = 3;

/// Seconds a row: the best of several passes over all matrices.
double measure(DType dtype, uint64_t cols, ThreadPool& pool) {
  const uint64_t stride = *tensor_bytes(dtype, 16, cols) / 16;
  const uint64_t rows = std::max<uint64_t>(16, kMatrixBytes / stride / 16 * 16);
  const uint64_t count = std::max(kLeastBytes, 2 * cpu_info().l3_bytes) / (rows * stride) + 1;
  const SyntheticWeights weights = synthetic_weights(dtype, rows, cols, 1);
  std::vector<Linear> matrices;
  for (uint64_t i = 0; i < count; ++i) matrices.push_back(Linear::pack(weights.view, pool));
  const std::vector<float> x(cols, 0.5f);
  std::vector<float> y(rows);
  double best = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    for (const Linear& matrix : matrices) {
      Activations activations;
      activations.set(x.data(), 1, cols);
      matrix.multiply(activations, y.data(), rows, pool);
    }
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best / double(rows * count);
}

}  // namespace

KernelTimes::KernelTimes(const std::set<Kernel>& kernels, ThreadPool& pool) {
  Progress progress("Speed of each format", kernels.size(), "kernels");
  for (const Kernel& kernel : kernels) {
    seconds_per_row_[kernel] = measure(kernel.first, kernel.second, pool);
    progress.add(1);
  }
}

}  // namespace nibble
