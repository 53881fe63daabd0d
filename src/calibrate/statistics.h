#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "quantize/tile_matrix.h"

namespace nibble {

/// What calibration saw of a matrix' input x [channels]: second moments of its channels (an importance
/// matrix, llama.cpp's imatrix), their magnitudes (AWQ's scales) and, where a method asks, their maxima
/// (SmoothQuant's scales) or the whole Hessian X^T X of the output's squared error.
class InputStatistics {
 public:
  enum class Kind { diagonal, maxima, hessian };
  InputStatistics(size_t channels, Kind kind);

  /// x [tokens, channels]. The sums do not depend on the number of threads.
  void add(const float* x, size_t tokens, ThreadPool& pool);

  uint64_t tokens() const { return tokens_; }
  const std::vector<double>& squares() const { return squares_; }        ///< [channels], sums of x^2
  std::vector<double> mean_squares() const;                              ///< [channels], E[x^2]
  const std::vector<double>& magnitudes() const { return magnitudes_; }  ///< [channels], sums of |x|
  const std::vector<float>& maxima() const { return maxima_; }  ///< [channels] of |x|; empty unless asked for
  const TileMatrix& hessian() const { return hessian_; }        ///< of size 0 unless asked for

 private:
  uint64_t tokens_ = 0;
  std::vector<double> squares_, magnitudes_;
  std::vector<float> maxima_;
  TileMatrix hessian_;
};

}  // namespace nibble
