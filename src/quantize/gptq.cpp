#include "quantize/gptq.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

#include "base/error.h"
#include "kernels/vector_ops.h"
#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"

namespace nibble {

namespace {

constexpr size_t kLane = TileMatrix::kTile;
/// Rows that a thread rounds together: the more, the fewer times the factor is read.
constexpr size_t kStrip = 32;

std::vector<float> diagonal_of(const TileMatrix& m, const std::string& name) {
  std::vector<float> diagonal(m.size());
  for (size_t i = 0; i < m.size(); ++i) {
    diagonal[i] = m.at(i, i);
    if (!std::isfinite(diagonal[i]) || diagonal[i] < 0) {
      fail(
          "{}: the calibration gave inputs that are not finite (channel {}); the model's weights are damaged",
          name, i);
    }
  }
  return diagonal;
}

/// Blocks by the sum of their columns' activations, and columns by theirs within, largest first.
std::vector<uint32_t> activation_order(const std::vector<float>& diagonal, uint64_t block) {
  const size_t blocks = diagonal.size() / block;
  std::vector<double> sums(blocks);
  for (size_t j = 0; j < diagonal.size(); ++j) sums[j / block] += diagonal[j];
  std::vector<uint32_t> by_sum(blocks), order;
  std::iota(by_sum.begin(), by_sum.end(), 0u);
  std::stable_sort(by_sum.begin(), by_sum.end(), [&](uint32_t a, uint32_t b) { return sums[a] > sums[b]; });
  for (const uint32_t b : by_sum) {
    const auto first = order.insert(order.end(), block, 0);
    std::iota(first, order.end(), uint32_t(b * block));
    std::stable_sort(first, order.end(), [&](uint32_t i, uint32_t j) { return diagonal[i] > diagonal[j]; });
  }
  return order;
}

/// H in the reverse of the order, damped; ones on the diagonal of dead channels and of the padding.
TileMatrix damped_reversed(const TileMatrix& h, const std::vector<float>& diagonal,
                           const std::vector<uint32_t>& order, float damp, ThreadPool& pool) {
  TileMatrix m(h.size());
  const size_t n = h.padded();
  const auto column = [&](size_t place) { return order[n - 1 - place]; };
  const size_t padding = n - h.size();  // stands last in the order, and so first in its reverse
  pool.parallel_for(n, kLane, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (i < padding || diagonal[column(i)] == 0) {
        m.set(i, i, 1.0f);
        continue;
      }
      for (size_t j = i; j < n; ++j) m.set(i, j, h.at(column(i), column(j)) + (i == j ? damp : 0.0f));
    }
  });
  return m;
}

/// With A = H in reverse order = R^T R and J the reversal: H = (J R^T J)(J R J), where J R^T J is upper
/// triangular, so that U = (J R^T J)^-1 = J (R^-1)^T J has U^T U = H^-1. That is one factorization and one
/// triangular inverse, where inverting H and factorizing the inverse would take twice the work.
TileMatrix reversed_transpose(const TileMatrix& inverse, ThreadPool& pool) {
  TileMatrix u(inverse.size());
  const size_t tiles = u.tiles();
  pool.parallel_for(tiles, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      for (size_t j = i; j < tiles; ++j) {
        const float* from = inverse.tile(tiles - 1 - j, tiles - 1 - i);
        float* to = u.tile(i, j);
        for (size_t a = 0; a < kLane; ++a) {
          for (size_t b = 0; b < kLane; ++b)
            to[a * kLane + b] = from[(kLane - 1 - b) * kLane + kLane - 1 - a];
        }
      }
    }
  });
  return u;
}

/// Rounds kStrip rows at most, thread by thread.
class StripRounder {
 public:
  StripRounder(DType dtype, const GptqFactor& factor, uint64_t cols)
      : dtype_(dtype),
        factor_(factor),
        grid_(grid_of(dtype)),
        cols_(cols),
        block_(factor.block),
        row_bytes_(row_bytes(dtype, cols)),
        block_bytes_(row_bytes_ / (cols / block_)),
        w_(factor.factor.padded() * kStrip),
        errors_(kStrip * kLane),
        scale_(kStrip * block_),
        offset_(kStrip * block_),
        codes_(kStrip * block_) {}

  double round(const float* w, size_t rows, std::byte* out) {
    rows_ = rows;
    loss_ = 0;
    load(w);
    for (size_t lane = 0; lane < factor_.factor.tiles(); ++lane) {
      std::fill(errors_.begin(), errors_.end(), 0.0f);
      const size_t end = std::min<size_t>(cols_, (lane + 1) * kLane);
      for (size_t place = lane * kLane; place < end;) {
        if (place % block_ == 0) choose_scales(place, out);
        const size_t stop = std::min(end, (place / block_ + 1) * block_);
        for (size_t r = 0; r < rows_; ++r) round_columns(r, lane, place, stop);
        place = stop;
        if (place % block_ == 0) store_codes(out);
      }
      feed_back(lane);
    }
    return loss_;
  }

 private:
  /// Row r's values at the places of a lane.
  float* values(size_t lane, size_t r) { return &w_[(lane * kStrip + r) * kLane]; }
  float& value(size_t place, size_t r) { return values(place / kLane, r)[place % kLane]; }

  void load(const float* w) {
    std::fill(w_.begin(), w_.end(), 0.0f);
    for (size_t r = 0; r < rows_; ++r) {
      for (size_t place = 0; place < cols_; ++place) value(place, r) = w[r * cols_ + factor_.order[place]];
    }
  }

  /// Scales of the block that begins at a place, for all rows, into `out` and as scale_ and offset_ [rows,
  /// block].
  void choose_scales(size_t place, std::byte* out) {
    first_ = factor_.order[place] / block_ * block_;
    gathered_.resize(rows_ * block_);
    weights_.clear();
    for (size_t r = 0; r < rows_; ++r) {
      for (size_t i = 0; i < block_; ++i) {
        gathered_[r * block_ + factor_.order[place + i] - first_] = value(place + i, r);
      }
      const auto importance = factor_.importance.begin() + int64_t(first_);
      weights_.insert(weights_.end(), importance, importance + int64_t(block_));
    }
    quantize_blocks();
    for (size_t r = 0; r < rows_; ++r) {
      std::byte* block = out + r * row_bytes_ + first_ / block_ * block_bytes_;
      std::copy_n(&blocks_[r * block_bytes_], block_bytes_, block);
      read_scales(dtype_, block, block_, &scale_[r * block_], &offset_[r * block_]);
      try_scales(place, r, block);
    }
  }

  /// Scales around the one that suits rounding to nearest, each judged by the compensated errors that
  /// rounding the block's columns with feedback would make.
  void try_scales(size_t place, size_t r, std::byte* block) {
    constexpr float kFactors[] = {0.88f, 0.92f, 0.96f, 1.04f, 1.08f, 1.12f};
    chosen_.assign(block, block + block_bytes_);
    if (!stretch_scale(dtype_, 1.0f, chosen_.data())) return;
    double least = trial_loss(place, r, &scale_[r * block_], &offset_[r * block_]);
    std::array<float, kLane> scale, offset;
    for (const float factor : kFactors) {
      trial_ = chosen_;
      stretch_scale(dtype_, factor, trial_.data());
      read_scales(dtype_, trial_.data(), block_, scale.data(), offset.data());
      const double loss = trial_loss(place, r, scale.data(), offset.data());
      if (!(loss < least)) continue;
      least = loss;
      std::copy(trial_.begin(), trial_.end(), block);
    }
    read_scales(dtype_, block, block_, &scale_[r * block_], &offset_[r * block_]);
  }

  /// What rounding row r's block at a place would add to the loss; the block lies within one lane.
  double trial_loss(size_t place, size_t r, const float* scale, const float* offset) {
    const size_t at = place % kLane;
    const float* u = factor_.factor.tile(place / kLane, place / kLane);
    std::array<float, kLane> w;
    std::copy_n(values(place / kLane, r) + at, block_, w.begin());
    double loss = 0;
    for (size_t i = 0; i < block_; ++i) {
      const size_t j = factor_.order[place + i] - first_;
      const float* row = u + (at + i) * kLane + at + i;
      const float error = (w[i] - nearest(grid_, w[i], scale[j], offset[j]).value) / row[0];
      loss += double(error) * error;
      vector_ops().add_scaled(w.data() + i + 1, row + 1, -error, block_ - i - 1);
    }
    return loss;
  }

  /// gathered_ to blocks_: of all rows at once, since quantizers work on several blocks side by side.
  void quantize_blocks() {
    blocks_.resize(rows_ * block_bytes_);
    const size_t pieces = block_ == cols_ ? rows_ : 1, count = rows_ / pieces * block_;
    for (size_t p = 0; p < pieces; ++p) {
      quantize_row(dtype_, &gathered_[p * count], &blocks_[p * block_bytes_], count, weights_.data());
    }
  }

  /// Rounds row r at places [begin, end) of one block and lane; their errors go to what follows in the lane.
  void round_columns(size_t r, size_t lane, size_t begin, size_t end) {
    float* w = values(lane, r);
    const float* u = factor_.factor.tile(lane, lane);
    for (size_t place = begin; place < end; ++place) {
      const size_t i = place % kLane, j = factor_.order[place] - first_;
      const size_t at = r * block_ + j;
      const GridPoint point = nearest(grid_, w[i], scale_[at], offset_[at]);
      const float error = (w[i] - point.value) / u[i * kLane + i];
      codes_[at] = point.code;
      errors_[r * kLane + i] = -error;
      loss_ += double(error) * error;
      vector_ops().add_scaled(w + i + 1, u + i * kLane + i + 1, -error, kLane - i - 1);
    }
  }

  void store_codes(std::byte* out) {
    for (size_t r = 0; r < rows_; ++r) {
      write_codes(dtype_, &codes_[r * block_], block_, out + r * row_bytes_ + first_ / block_ * block_bytes_);
    }
  }

  void feed_back(size_t lane) {
    for (size_t next = lane + 1; next < factor_.factor.tiles(); ++next) {
      multiply_tile(errors_.data(), kLane, rows_, factor_.factor.tile(lane, next), kLane, 1.0f,
                    values(next, 0));
    }
  }

  DType dtype_;
  const GptqFactor& factor_;
  Grid grid_;
  size_t cols_, block_, row_bytes_, block_bytes_;
  size_t rows_ = 0, first_ = 0;  ///< of this strip; the first column of the block at hand
  double loss_ = 0;
  std::vector<float> w_;               // [lanes, kStrip, kLane], by place
  std::vector<float> errors_;          // [kStrip, kLane], negated, of the lane at hand
  std::vector<float> scale_, offset_;  // [kStrip, block] by column, of the block at hand
  std::vector<uint8_t> codes_;         // the same
  std::vector<float> gathered_, weights_;
  std::vector<std::byte> blocks_, chosen_, trial_;
};

}  // namespace

GptqFactor gptq_factor(const TileMatrix& hessian, uint64_t block, const GptqOptions& options,
                       const std::string& name, ThreadPool& pool) {
  const std::vector<float> diagonal = diagonal_of(hessian, name);
  GptqFactor result;
  result.block = block;
  if (options.by_activation) {
    result.order = activation_order(diagonal, block);
  } else {
    result.order.resize(diagonal.size());
    std::iota(result.order.begin(), result.order.end(), 0u);
  }
  const double mean =
      std::accumulate(diagonal.begin(), diagonal.end(), 0.0) / double(std::max<size_t>(1, diagonal.size()));
  result.order.resize(hessian.padded(), 0);
  for (result.damping = options.damping; result.damping <= 1.0f; result.damping *= 10) {
    TileMatrix m =
        damped_reversed(hessian, diagonal, result.order, float(mean * double(result.damping)), pool);
    if (!factorize(m, pool)) continue;
    result.factor = reversed_transpose(invert_upper(m, pool), pool);
    result.order.resize(hessian.size());
    result.importance.resize(hessian.size());
    for (size_t place = 0; place < hessian.size(); ++place) {
      const float u = result.factor.at(place, place);
      result.importance[result.order[place]] = diagonal[result.order[place]] == 0 ? 0.0f : 1.0f / (u * u);
    }
    return result;
  }
  fail(
      "{}: its Hessian is not positive definite even when damped by its mean; give another --calibration "
      "text",
      name);
}

double gptq_quantize(DType dtype, const GptqFactor& factor, const float* w, uint64_t rows, uint64_t cols,
                     std::byte* out, ThreadPool& pool) {
  const size_t strips = (rows + kStrip - 1) / kStrip;
  std::vector<double> losses(strips);
  pool.parallel_for(strips, 1, [&](size_t begin, size_t end) {
    StripRounder rounder(dtype, factor, cols);
    for (size_t s = begin; s < end; ++s) {
      const size_t first = s * kStrip, count = std::min(kStrip, size_t(rows) - first);
      losses[s] = rounder.round(w + first * cols, count, out + first * row_bytes(dtype, cols));
    }
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

}  // namespace nibble
