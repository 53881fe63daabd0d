#include "quantize/awq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "quantize/finite.h"
#include "quantize/output_errors.h"
#include "quantize/quantize_row.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

struct ScaleCandidate {
  float alpha;
  std::vector<float> scales, importance;
};

/// The squared error of the outputs of some rows, candidate by candidate.
class StripOutputErrors {
 public:
  explicit StripOutputErrors(const TileMatrix& hessian)
      : errors_(hessian), scaled_(hessian.size()), rounded_(hessian.size()) {}

  double error(DType dtype, const float* w, size_t rows, const ScaleCandidate& candidate) {
    bytes_.resize(row_bytes(dtype, scaled_.size()));
    for (size_t r = 0; r < rows; ++r) round(dtype, w + r * scaled_.size(), r, candidate);
    const auto& errors = errors_.compute(rows);
    return std::accumulate(errors.begin(), errors.begin() + int64_t(rows), 0.0);
  }

 private:
  /// Row r of dW = deq(W s) / s - W.
  void round(DType dtype, const float* w, size_t r, const ScaleCandidate& candidate) {
    const size_t cols = scaled_.size();
    const std::vector<float>& s = candidate.scales;
    for (size_t j = 0; j < cols; ++j) scaled_[j] = w[j] * s[j];
    quantize_row(dtype, scaled_.data(), bytes_.data(), cols, candidate.importance.data());
    dequantize_row(dtype, bytes_.data(), rounded_.data(), cols);
    for (size_t j = 0; j < cols; ++j) rounded_[j] = rounded_[j] / s[j] - w[j];
    errors_.set(r, rounded_);
  }

  OutputErrors errors_;
  std::vector<float> scaled_, rounded_;
  std::vector<std::byte> bytes_;
};

std::vector<ScaleCandidate> candidates(const TileMatrix& hessian, std::span<const float> magnitudes,
                                       int grid) {
  std::vector<ScaleCandidate> result;
  for (int i = 0; i < grid; ++i) {
    const float alpha = float(i) / float(grid);
    std::vector<float> scales = awq_scales(magnitudes, alpha);
    std::vector<float> importance = awq_importance(hessian, scales);
    result.push_back({alpha, std::move(scales), std::move(importance)});
  }
  return result;
}

void check_finite_inputs(const TileMatrix& hessian, const std::string& name) {
  for (size_t i = 0; i < hessian.size(); ++i) {
    if (std::isfinite(hessian.at(i, i))) continue;
    fail_not_finite_input(name, i);
  }
}

/// The error of each candidate over all matrices.
std::vector<double> errors_of(const std::vector<ScaleCandidate>& candidates,
                              std::span<const AwqMatrix> matrices, const TileMatrix& hessian,
                              ThreadPool& pool) {
  const size_t cols = hessian.size();
  std::vector<std::pair<const AwqMatrix*, size_t>> strips;  // and their first rows
  for (const AwqMatrix& matrix : matrices) {
    for (size_t row = 0; row < matrix.w.size() / cols; row += OutputErrors::kRows)
      strips.emplace_back(&matrix, row);
  }
  std::vector<double> partial(strips.size() * candidates.size());
  pool.parallel_for(strips.size(), 1, [&](size_t begin, size_t end) {
    StripOutputErrors errors(hessian);
    for (size_t i = begin; i < end; ++i) {
      const auto [matrix, row] = strips[i];
      const size_t rows = std::min(OutputErrors::kRows, matrix->w.size() / cols - row);
      for (size_t c = 0; c < candidates.size(); ++c) {
        partial[i * candidates.size() + c] =
            matrix->weight * errors.error(matrix->dtype, &matrix->w[row * cols], rows, candidates[c]);
      }
    }
  });
  std::vector<double> sums(candidates.size());
  for (size_t i = 0; i < partial.size(); ++i) sums[i % sums.size()] += partial[i];
  return sums;
}

}  // namespace

std::vector<float> awq_scales(std::span<const float> magnitudes, float alpha) {
  std::vector<float> scales(magnitudes.size(), 1.0f);
  float least = 0, most = 0;
  for (size_t j = 0; j < scales.size(); ++j) {
    if (!(magnitudes[j] > 0)) continue;
    // A channel that is all but dead must not be rounded away: the authors' bound.
    scales[j] = std::max(std::pow(magnitudes[j], alpha), 1e-4f);
    least = least == 0 ? scales[j] : std::min(least, scales[j]);
    most = std::max(most, scales[j]);
  }
  if (most == 0) return scales;
  const float middle = std::sqrt(least * most);
  for (size_t j = 0; j < scales.size(); ++j) {
    if (magnitudes[j] > 0) scales[j] /= middle;
  }
  return scales;
}

std::vector<float> awq_importance(const TileMatrix& hessian, std::span<const float> scales) {
  std::vector<float> importance(scales.size());
  for (size_t j = 0; j < scales.size(); ++j) importance[j] = hessian.at(j, j) / (scales[j] * scales[j]);
  return importance;
}

AwqChoice awq_search(std::span<const AwqMatrix> matrices, const TileMatrix& hessian,
                     std::span<const float> magnitudes, const AwqOptions& options, const std::string& name,
                     ThreadPool& pool) {
  check_finite_inputs(hessian, name);
  std::vector<ScaleCandidate> all = candidates(hessian, magnitudes, options.grid);
  const std::vector<double> errors = errors_of(all, matrices, hessian, pool);
  const size_t best = size_t(std::min_element(errors.begin(), errors.end()) - errors.begin());
  return {all[best].alpha, errors[best], errors[0], std::move(all[best].scales)};
}

}  // namespace nibble
