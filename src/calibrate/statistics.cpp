#include "calibrate/statistics.h"

#include <algorithm>
#include <cmath>

namespace nibble {

InputStatistics::InputStatistics(size_t channels, Kind kind) : squares_(channels), magnitudes_(channels) {
  if (kind == Kind::maxima) maxima_.resize(channels);
  if (kind == Kind::hessian) hessian_ = TileMatrix(channels);
}

void InputStatistics::add(const float* x, size_t tokens, ThreadPool& pool) {
  constexpr size_t kChannels = 256;
  const size_t channels = squares_.size();
  pool.parallel_for(channels, kChannels, [&](size_t begin, size_t end) {
    for (size_t t = 0; t < tokens; ++t) {
      const float* row = x + t * channels;
      for (size_t c = begin; c < end; ++c) {
        squares_[c] += double(row[c]) * double(row[c]);
        magnitudes_[c] += std::abs(double(row[c]));
      }
      if (maxima_.empty()) continue;
      for (size_t c = begin; c < end; ++c) maxima_[c] = std::max(maxima_[c], std::abs(row[c]));
    }
  });
  if (hessian_.size() > 0) add_gram(hessian_, x, tokens, pool);
  tokens_ += tokens;
}

std::vector<double> InputStatistics::mean_squares() const {
  std::vector<double> means = squares_;
  for (double& mean : means) mean /= double(tokens_);
  return means;
}

}  // namespace nibble
