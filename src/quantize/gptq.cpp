#include "quantize/gptq.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "base/error.h"
#include "quantize/block_grid.h"
#include "quantize/finite.h"
#include "quantize/quantize_row.h"
#include "quantize/rtn/table.h"

namespace nibble {

namespace {

constexpr size_t kLane = TileMatrix::kTile;
/// Rows that a thread rounds together: the more, the fewer times the factor is read.
constexpr size_t kStrip = 32;
static_assert(kStrip % kFeedbackRows == 0 && kFeedbackColumns >= kLane);
/// Columns whose errors go to the rest of their lane in one product.
constexpr size_t kPiece = 32;

/// Values of eight rows, [columns, kFeedbackRows].
using RowsTogether = std::array<float, kLane * kFeedbackRows>;

std::vector<float> diagonal_of(const TileMatrix& m, const std::string& name) {
  std::vector<float> diagonal(m.size());
  for (size_t i = 0; i < m.size(); ++i) {
    diagonal[i] = m.at(i, i);
    if (!std::isfinite(diagonal[i]) || diagonal[i] < 0) fail_not_finite_input(name, i);
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
        const size_t stop = std::min({end, (place / block_ + 1) * block_, place + kPiece});
        for (size_t r = 0; r < rows_; r += kFeedbackRows) round_columns(r, place, stop - place);
        feed_back(lane, place, stop);
        place = stop;
        if (place % block_ == 0) store_codes(out);
      }
      for (size_t next = lane + 1; next < factor_.factor.tiles(); ++next) {
        multiply_tile(errors_.data(), kLane, rows_, factor_.factor.tile(lane, next), kLane, true,
                      values(next, 0));
      }
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
    if (block_scales(dtype_) == BlockScales::scale) {
      for (size_t r = 0; r < rows_; r += kFeedbackRows) try_scales(r, place);
    }
    for (size_t r = 0; r < rows_; ++r) {
      std::byte* block = block_of(out, r);
      std::copy_n(&blocks_[r * block_bytes_], block_bytes_, block);
      read_scales(dtype_, block, block_, &scale_[r * block_], &offset_[r * block_]);
    }
  }

  /// Scales around those in blocks_, which suit rounding to nearest, each judged by the compensated errors
  /// that rounding the block's columns with feedback would make: in eight rows from `row` on.
  void try_scales(size_t row, size_t place) {
    constexpr float kFactors[] = {1.0f, 0.88f, 0.92f, 0.96f, 1.04f, 1.08f, 1.12f};
    const size_t rows = std::min(kFeedbackRows, rows_ - row);
    gather(row, place, block_);
    const auto chosen = blocks_.begin() + int64_t(row * block_bytes_);
    tried_.assign(chosen, chosen + int64_t(rows * block_bytes_));
    std::array<float, kFeedbackRows> scale{}, offset{}, least, losses;
    least.fill(std::numeric_limits<float>::infinity());
    for (const float factor : kFactors) {
      trial_ = tried_;
      for (size_t r = 0; r < rows; ++r) {
        std::byte* block = &trial_[r * block_bytes_];
        if (factor != 1.0f) stretch_scale(dtype_, factor, block);
        std::array<float, kLane> scales, offsets;
        read_scales(dtype_, block, block_, scales.data(), offsets.data());
        scale[r] = scales[0];
        offset[r] = offsets[0];
      }
      rounder_(piece(place, block_, scale.data(), offset.data(), 0),
               {places_.data(), piece_errors_.data(), losses.data()});
      for (size_t r = 0; r < rows; ++r) {
        if (!(losses[r] < least[r])) continue;
        least[r] = losses[r];
        std::copy_n(&trial_[r * block_bytes_], block_bytes_, &blocks_[(row + r) * block_bytes_]);
      }
    }
  }

  /// The values of eight rows at `columns` places of a lane into together_.
  void gather(size_t row, size_t place, size_t columns) {
    const size_t rows = std::min(kFeedbackRows, rows_ - row);
    for (size_t r = 0; r < kFeedbackRows; ++r) {
      const float* from = values(place / kLane, row + r) + place % kLane;
      for (size_t i = 0; i < columns; ++i) together_[i * kFeedbackRows + r] = r < rows ? from[i] : 0.0f;
    }
  }

  FeedbackPiece piece(size_t place, size_t columns, const float* scale, const float* offset,
                      size_t scale_stride) const {
    const size_t i = place % kLane;
    const float* factor = factor_.factor.tile(place / kLane, place / kLane) + i * kLane + i;
    return {columns,
            grid_.levels.empty() ? nullptr : grid_.levels.data(),
            float(grid_.largest),
            scale,
            offset,
            scale_stride,
            factor,
            kLane,
            together_.data()};
  }

  /// gathered_ to blocks_: of all rows at once, since quantizers work on several blocks side by side.
  void quantize_blocks() {
    blocks_.resize(rows_ * block_bytes_);
    const size_t pieces = block_ == cols_ ? rows_ : 1, count = rows_ / pieces * block_;
    for (size_t p = 0; p < pieces; ++p) {
      quantize_row(dtype_, &gathered_[p * count], &blocks_[p * block_bytes_], count, weights_.data());
    }
  }

  /// Rounds eight rows from `row` on at `columns` places of one block and lane.
  void round_columns(size_t row, size_t place, size_t columns) {
    gather(row, place, columns);
    const size_t rows = std::min(kFeedbackRows, rows_ - row);
    const auto column = [&](size_t i) { return factor_.order[place + i] - first_; };
    for (size_t i = 0; i < columns; ++i) {
      for (size_t r = 0; r < rows; ++r) {
        scales_together_[i * kFeedbackRows + r] = scale_[(row + r) * block_ + column(i)];
        offsets_together_[i * kFeedbackRows + r] = offset_[(row + r) * block_ + column(i)];
      }
    }
    std::array<float, kFeedbackRows> losses;
    rounder_(piece(place, columns, scales_together_.data(), offsets_together_.data(), kFeedbackRows),
             {places_.data(), piece_errors_.data(), losses.data()});
    for (size_t r = 0; r < rows; ++r) {
      loss_ += double(losses[r]);
      float* errors = &errors_[(row + r) * kLane + place % kLane];
      for (size_t i = 0; i < columns; ++i) {
        errors[i] = -piece_errors_[i * kFeedbackRows + r];
        const size_t at = size_t(places_[i * kFeedbackRows + r]);
        codes_[(row + r) * block_ + column(i)] = grid_.order.empty() ? uint8_t(at) : grid_.order[at];
      }
    }
  }

  /// Gives the errors at places [begin, end) to the places behind them in the lane; those at and before them
  /// are spoilt.
  void feed_back(size_t lane, size_t begin, size_t end) {
    const size_t i = begin % kLane;
    if (end % kLane == 0) return;
    multiply_tile(&errors_[i], kLane, rows_, factor_.factor.tile(lane, lane) + i * kLane, end - begin, true,
                  values(lane, 0));
  }

  void store_codes(std::byte* out) {
    for (size_t r = 0; r < rows_; ++r) write_codes(dtype_, &codes_[r * block_], block_, block_of(out, r));
  }

  std::byte* block_of(std::byte* out, size_t r) const {
    return out + r * row_bytes_ + first_ / block_ * block_bytes_;
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
  std::vector<std::byte> blocks_;         // [rows, block], of the block at hand
  std::vector<std::byte> tried_, trial_;  // of eight rows, as they were and stretched
  const FeedbackRounder rounder_ = rtn_table().feedback_rounder;
  RowsTogether together_{}, scales_together_{}, offsets_together_{}, places_, piece_errors_;
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
