#include "quantize/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "kernels/vector_ops.h"

namespace nibble {

namespace {

constexpr size_t kBlockColumns = TileMatrix::kTile;
/// Rows that a thread prunes together: the more, the fewer times the factor is read.
constexpr size_t kRowsAtOnce = 32;

template <typename Number>
bool parse_all(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// Calls drop(i) for the `count` indices with the smallest scores, the first of equal ones.
template <typename Drop>
void drop_smallest(std::span<const float> scores, size_t count, std::vector<uint32_t>& order, Drop drop) {
  order.resize(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::nth_element(order.begin(), order.begin() + int64_t(count), order.end(), [&](uint32_t a, uint32_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : a < b;
  });
  for (size_t i = 0; i < count; ++i) drop(order[i]);
}

/// SparseGPT over a whole matrix, lane of 128 columns by lane, strips of rows side by side.
class SparseGpt {
 public:
  SparseGpt(float* w, size_t rows, size_t cols, const GptqFactor& factor, const Sparsity& sparsity)
      : w_(w),
        rows_(rows),
        cols_(cols),
        factor_(factor),
        sparsity_(sparsity),
        tiles_(factor.factor.padded() * rows) {}

  void prune(ThreadPool& pool) {
    for (size_t r = 0; r < rows_; ++r) {
      for (size_t j = 0; j < cols_; ++j) value(j, r) = w_[r * cols_ + j];
    }
    for (size_t lane = 0; lane < factor_.factor.tiles(); ++lane) {
      if (!sparsity_.has_pattern()) choose_mask(lane);
      pool.parallel_for((rows_ + kRowsAtOnce - 1) / kRowsAtOnce, 1, [&](size_t begin, size_t end) {
        for (size_t strip = begin; strip < end; ++strip) prune_strip(lane, strip * kRowsAtOnce);
      });
    }
    for (size_t r = 0; r < rows_; ++r) {
      for (size_t j = 0; j < cols_; ++j) w_[r * cols_ + j] = value(j, r);
    }
  }

 private:
  float* values(size_t lane, size_t r) { return &tiles_[(lane * rows_ + r) * kBlockColumns]; }
  float& value(size_t column, size_t r) { return values(column / kBlockColumns, r)[column % kBlockColumns]; }
  size_t width(size_t lane) const { return std::min(kBlockColumns, cols_ - lane * kBlockColumns); }
  float score(size_t lane, size_t r, size_t i) {
    const float w = values(lane, r)[i];
    return w * w * factor_.importance[lane * kBlockColumns + i];
  }

  /// mask_ [rows, width] of a lane: 1 for the weights that become zero.
  void choose_mask(size_t lane) {
    const size_t columns = width(lane), n = rows_ * columns;
    scores_.resize(n);
    for (size_t i = 0; i < n; ++i) scores_[i] = score(lane, i / columns, i % columns);
    mask_.assign(n, 0);
    drop_smallest(scores_, size_t(double(n) * sparsity_.share), order_, [&](uint32_t i) { mask_[i] = 1; });
  }

  /// Rows from `first` on: zeros in a lane, and their errors to what follows.
  void prune_strip(size_t lane, size_t first) {
    const size_t count = std::min(kRowsAtOnce, rows_ - first);
    std::vector<float> errors(kRowsAtOnce * kBlockColumns);
    for (size_t r = 0; r < count; ++r) prune_row(lane, first + r, &errors[r * kBlockColumns]);
    for (size_t next = lane + 1; next < factor_.factor.tiles(); ++next) {
      multiply_tile(errors.data(), kBlockColumns, count, factor_.factor.tile(lane, next), kBlockColumns, true,
                    values(next, first));
    }
  }

  void prune_row(size_t lane, size_t r, float* errors) {
    const size_t columns = width(lane);
    const float* u = factor_.factor.tile(lane, lane);
    float* w = values(lane, r);
    std::vector<uint8_t> of_group(sparsity_.group);
    for (size_t i = 0; i < columns; ++i) {
      if (sparsity_.has_pattern() && i % sparsity_.group == 0) choose_group(lane, r, i, of_group);
      const bool drop = sparsity_.has_pattern() ? of_group[i % sparsity_.group] : mask_[r * columns + i];
      if (!drop) continue;
      errors[i] = -w[i] / u[i * kBlockColumns + i];
      w[i] = 0;
      vector_ops().add_scaled(w + i + 1, u + i * kBlockColumns + i + 1, errors[i], kBlockColumns - i - 1);
    }
  }

  /// Of the group that begins at place i of a row, 1 for the weights that become zero.
  void choose_group(size_t lane, size_t r, size_t i, std::vector<uint8_t>& drop) {
    std::vector<float> scores(sparsity_.group);
    std::vector<uint32_t> order;
    for (size_t k = 0; k < scores.size(); ++k) scores[k] = score(lane, r, i + k);
    std::fill(drop.begin(), drop.end(), uint8_t(0));
    drop_smallest(scores, sparsity_.group - sparsity_.keep, order, [&](uint32_t k) { drop[k] = 1; });
  }

  float* w_;
  size_t rows_, cols_;
  const GptqFactor& factor_;
  Sparsity sparsity_;
  std::vector<float> tiles_;  // [lanes, rows, kBlockColumns]
  std::vector<float> scores_;
  std::vector<uint32_t> order_;
  std::vector<uint8_t> mask_;  // of the lane at hand
};

}  // namespace

Sparsity parse_sparsity(std::string_view text) {
  Sparsity result;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    if (parse_all(text, result.share) && result.share > 0 && result.share < 1) return result;
  } else if (parse_all(text.substr(0, colon), result.keep) &&
             parse_all(text.substr(colon + 1), result.group) && result.keep > 0 &&
             result.keep < result.group && result.group <= 32 && std::has_single_bit(result.group)) {
    result.share = 1 - float(result.keep) / float(result.group);
    return result;
  }
  throw_usage(
      "--sparsity {}: give the share of zeros (0.5), or how many of how many neighbours stay (2:4, 4:8, "
      "16:32)",
      text);
}

std::string sparsity_name(const Sparsity& sparsity) {
  return sparsity.has_pattern() ? fmt::format("{}:{}", sparsity.keep, sparsity.group)
                                : fmt::format("{}", sparsity.share);
}

void wanda_prune(float* w, uint64_t rows, uint64_t cols, std::span<const float> squares,
                 const Sparsity& sparsity, ThreadPool& pool) {
  const size_t group = sparsity.has_pattern() ? sparsity.group : cols;
  const size_t count =
      sparsity.has_pattern() ? sparsity.group - sparsity.keep : size_t(double(cols) * double(sparsity.share));
  std::vector<float> norms;
  for (const float square : squares) norms.push_back(std::sqrt(square));
  pool.parallel_for(rows, 16, [&](size_t begin, size_t end) {
    std::vector<float> scores(group);
    std::vector<uint32_t> order;
    for (size_t at = begin * cols; at < end * cols; at += group) {
      for (size_t k = 0; k < group; ++k) scores[k] = std::abs(w[at + k]) * norms[(at + k) % cols];
      drop_smallest(scores, count, order, [&](uint32_t k) { w[at + k] = 0; });
    }
  });
}

void sparsegpt_prune(float* w, uint64_t rows, uint64_t cols, const GptqFactor& factor,
                     const Sparsity& sparsity, ThreadPool& pool) {
  SparseGpt(w, rows, cols, factor, sparsity).prune(pool);
}

bool keeps_zeros(DType dtype) {
  switch (dtype) {
    case DType::Q4_1:
    case DType::Q5_1:
    case DType::Q2_K:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::UINT4_G64:
    case DType::UINT4_G128:  // these store a minimum that zero is measured from
    case DType::IQ4_NL:
    case DType::IQ4_XS:  // the value next to zero is 1
      return false;
    default:
      return true;
  }
}

DType pruned_dtype(DType wanted, const Sparsity& sparsity) {
  const bool fits = sparsity.has_pattern() && 2 * sparsity.keep <= sparsity.group;
  return fits ? sparse_dtype(wanted).value_or(wanted) : wanted;
}

}  // namespace nibble
