#include "optimize/kernel_times.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "base/cpu.h"
#include "kernels/linear.h"
#include "kernels/synthetic_weights.h"

namespace nibble {

namespace {

/// A matrix is large enough that its start and end do not count, and all of them are larger than the caches.
constexpr uint64_t kMatrixBytes = 8u << 20, kLeastBytes = 64u << 20;
constexpr int kPasses = 3;

}  // namespace

double KernelTimes::seconds(DType dtype, uint64_t rows, uint64_t cols) {
  const auto [found, is_new] = seconds_per_row_.try_emplace({dtype, cols}, 0.0);
  if (is_new) found->second = measure(dtype, cols);
  return found->second * double(rows);
}

/// Seconds a row: the best of several passes over all matrices.
double KernelTimes::measure(DType dtype, uint64_t cols) const {
  const uint64_t stride = *tensor_bytes(dtype, 16, cols) / 16;
  const uint64_t rows = std::max<uint64_t>(16, kMatrixBytes / stride / 16 * 16);
  const uint64_t count = std::max(kLeastBytes, 2 * cpu_info().l3_bytes) / (rows * stride) + 1;
  const SyntheticWeights weights = synthetic_weights(dtype, rows, cols, 1);
  std::vector<Linear> matrices;
  for (uint64_t i = 0; i < count; ++i) matrices.push_back(Linear::pack(weights.view, pool_));
  const std::vector<float> x(cols, 0.5f);
  std::vector<float> y(rows);
  double best = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    for (const Linear& matrix : matrices) {
      Activations activations;
      activations.set(x.data(), 1, cols);
      matrix.multiply(activations, y.data(), rows, pool_);
    }
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best / double(rows * count);
}

}  // namespace nibble
