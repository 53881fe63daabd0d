#include "quantize/sign_round.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "quantize/quantize_row.h"

namespace nibble {

namespace {

constexpr float kMostShift = 0.5f, kLeastClip = 0.5f;

float sign(float x) {
  return float(x > 0) - float(x < 0);
}

// Loops over the elements of a block; no two arrays overlap, so that they become vectors.

void to_units(const float* __restrict w, const float* __restrict scale, const float* __restrict offset,
              size_t n, float* __restrict unit) {
  for (size_t j = 0; j < n; ++j) {
    const float divisor = scale[j] != 0 ? scale[j] : 1.0f;
    unit[j] = (w[j] - offset[j]) / divisor;
  }
}

/// Units of sorted levels to places on the axis of codes; beyond the ends the outer gaps go on.
void to_places(const Grid& grid, const float* __restrict unit, size_t n, float* __restrict place) {
  const float* levels = grid.levels.data();
  const size_t last = grid.levels.size() - 1;
  std::fill_n(place, n, 0.0f);
  for (size_t k = 1; k < last; ++k) {
    for (size_t j = 0; j < n; ++j) place[j] += unit[j] >= levels[k] ? 1.0f : 0.0f;
  }
  float inverse_gap[16];
  for (size_t k = 0; k < last; ++k) inverse_gap[k] = 1.0f / (levels[k + 1] - levels[k]);
  for (size_t j = 0; j < n; ++j) {
    const auto below = size_t(int(place[j]));
    place[j] += (unit[j] - levels[below]) * inverse_gap[below];
  }
}

/// Places, V included, to codes, and whether they lie between the outer ones.
void to_codes(const float* __restrict place, const float* __restrict v, size_t n, float last,
              float* __restrict code, float* __restrict inside) {
  for (size_t j = 0; j < n; ++j) {
    const float at = place[j] + v[j];
    const float raised = at > 0.0f ? at : 0.0f;
    const float within = raised < last ? raised : last;
    code[j] = float(int(within + 0.5f));
    inside[j] = (at < -0.5f ? 0.0f : 1.0f) * (at > last + 0.5f ? 0.0f : 1.0f);
  }
}

void to_values(const float* __restrict scale, const float* __restrict level, const float* __restrict offset,
               size_t n, float* __restrict value) {
  for (size_t j = 0; j < n; ++j) value[j] = scale[j] * level[j] + offset[j];
}

/// V, `rate` further against the sign of its gradient.
void move_rounding(const float* __restrict gradient, const float* __restrict scale,
                   const float* __restrict inside, size_t n, float rate, float* __restrict v) {
  for (size_t j = 0; j < n; ++j) {
    const float slope = gradient[j] * scale[j] * inside[j];
    const float moved = v[j] - ((slope > 0 ? rate : 0.0f) - (slope < 0 ? rate : 0.0f));
    const float raised = moved > -kMostShift ? moved : -kMostShift;
    v[j] = raised < kMostShift ? raised : kMostShift;
  }
}

}  // namespace

/// What is known of the elements of the block at hand.
struct SignRound::Scratch {
  explicit Scratch(size_t n) : scale(n), offset(n), unit(n), place(n), code(n), level(n), inside(n) {}

  std::vector<float> scale, offset;
  std::vector<float> unit;    ///< (w - offset) / scale, in units of levels
  std::vector<float> place;   ///< on the axis of codes
  std::vector<float> code;    ///< in the order of levels
  std::vector<float> level;   ///< of its code
  std::vector<float> inside;  ///< 1, or 0 when the place lies beyond the outer codes: no gradient passes
};

SignRound::SignRound(DType dtype, std::vector<float> w, uint64_t rows, uint64_t cols, const float* importance,
                     ThreadPool& pool)
    : dtype_(dtype),
      grid_(grid_of(dtype)),
      scales_(block_scales(dtype)),
      rows_(rows),
      cols_(cols),
      block_(scale_block(dtype, cols)),
      block_bytes_(row_bytes(dtype, cols) / (cols / block_)),
      w_(std::move(w)),
      v_(rows * cols),
      bytes_(rows * row_bytes(dtype, cols)) {
  constexpr size_t kRows = 8;
  const size_t stride = row_bytes(dtype, cols);
  pool.parallel_for(rows, kRows, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r)
      quantize_row(dtype, &w_[r * cols], &bytes_[r * stride], cols, importance);
  });
  if (scales_ == BlockScales::fixed) return;
  ranges_.resize(rows * cols / block_);
  for_each_block(pool, [&](size_t block, Scratch& s) {
    begin_range(block, s);
    set_scales(block);
  });
}

template <typename Body>
void SignRound::for_each_block(ThreadPool& pool, Body body) const {
  constexpr size_t kElements = 16384;
  pool.parallel_for(rows_ * cols_ / block_, std::max<size_t>(1, kElements / block_),
                    [&](size_t begin, size_t end) {
                      Scratch scratch(block_);
                      for (size_t block = begin; block < end; ++block) body(block, scratch);
                    });
}

/// The range that clips nothing, and the part of it that round to nearest took.
void SignRound::begin_range(size_t block, Scratch& s) {
  read_scales(dtype_, block_bytes(block), block_, s.scale.data(), s.offset.data());
  const float scale = s.scale[0], offset = s.offset[0];
  const auto [least, most] = std::minmax_element(&w_[block * block_], &w_[block * block_] + block_);
  Range& range = ranges_[block];
  const auto begin_at = [](float start, float widest, float& part, float& most_part) {
    part = std::max(kLeastClip, start / widest);
    most_part = std::max(1.0f, part);
  };
  if (scales_ == BlockScales::scale) {
    if (scale == 0) return;
    const float ratio = offset / scale;
    const float first = (grid_.levels.empty() ? 0.0f : grid_.levels.front()) + ratio;
    const float last = (grid_.levels.empty() ? float(grid_.largest) : grid_.levels.back()) + ratio;
    const float low_end = scale > 0 ? first : -last, high_end = scale > 0 ? last : -first;
    range.high = std::copysign(std::max(*most / high_end, *least / low_end), scale);
    begin_at(scale, range.high, range.alpha, range.most_alpha);
    return;
  }
  range.high = offset + scale * float(grid_.largest);
  range.low = offset;
  // Ends on different sides of zero are scaled; others, which are rare, stay where they are.
  if (!(*most > 0 && *least < 0 && range.high > 0 && range.low < 0)) return;
  begin_at(std::exchange(range.high, *most), *most, range.alpha, range.most_alpha);
  begin_at(std::exchange(range.low, *least), *least, range.beta, range.most_beta);
}

/// Scales of alpha and beta into the block, as its type stores them.
void SignRound::set_scales(size_t block) {
  const Range& range = ranges_[block];
  if (scales_ == BlockScales::scale) {
    write_scales(dtype_, range.alpha * range.high, 0.0f, block_bytes(block));
    return;
  }
  const float low = range.beta * range.low;
  write_scales(dtype_, (range.alpha * range.high - low) / float(grid_.largest), low, block_bytes(block));
}

/// Where the elements of a block stand between the levels, and the codes that they get with V.
void SignRound::round(size_t block, Scratch& s) const {
  read_scales(dtype_, block_bytes(block), block_, s.scale.data(), s.offset.data());
  to_units(&w_[block * block_], s.scale.data(), s.offset.data(), block_, s.unit.data());
  const bool uniform = grid_.levels.empty();
  if (!uniform) to_places(grid_, s.unit.data(), block_, s.place.data());
  const std::vector<float>& place = uniform ? s.unit : s.place;
  std::vector<float>& code = uniform ? s.level : s.code;
  to_codes(place.data(), &v_[block * block_], block_, float(grid_.largest), code.data(), s.inside.data());
  if (uniform) return;
  for (size_t j = 0; j < block_; ++j) s.level[j] = grid_.levels[size_t(int(code[j]))];
}

void SignRound::dequantize(float* out, ThreadPool& pool) const {
  for_each_block(pool, [&](size_t block, Scratch& s) {
    round(block, s);
    to_values(s.scale.data(), s.level.data(), s.offset.data(), block_, out + block * block_);
  });
}

void SignRound::step(const float* gradient, float rate, ThreadPool& pool) {
  for_each_block(pool, [&](size_t block, Scratch& s) {
    round(block, s);
    const float* g = gradient + block * block_;
    move_rounding(g, s.scale.data(), s.inside.data(), block_, rate, &v_[block * block_]);
    if (ranges_.empty()) return;
    step_range(block, g, rate, s);
    set_scales(block);
  });
}

/// With q = d (level) + m and the straight-through dlevel/dw = 1 / d: dq/dd is level - unit, and dq/dm is 0,
/// for elements within the range; the level itself, and 1, for those that are clipped.
void SignRound::step_range(size_t block, const float* gradient, float rate, const Scratch& s) {
  Range& range = ranges_[block];
  const bool apart = scales_ == BlockScales::scale_and_offset;
  // Where the offset is a multiple of the scale, levels are counted from zero.
  const float ratio = apart || s.scale[0] == 0 ? 0.0f : s.offset[0] / s.scale[0];
  float by_scale = 0, by_offset = 0;
  for (size_t j = 0; j < block_; ++j) {
    const float outside = 1.0f - s.inside[j];
    by_scale += gradient[j] * (s.level[j] - s.inside[j] * s.unit[j] + outside * ratio);
    by_offset += gradient[j] * outside;
  }
  const auto move = [&](float slope, float most, float& part) {
    part = std::clamp(part - rate * sign(slope), kLeastClip, most);
  };
  if (!apart) {
    move(by_scale * range.high, range.most_alpha, range.alpha);
    return;
  }
  const float per_code = by_scale / float(grid_.largest);
  move(per_code * range.high, range.most_alpha, range.alpha);
  move((by_offset - per_code) * range.low, range.most_beta, range.beta);
}

std::vector<std::byte> SignRound::bytes(ThreadPool& pool) const {
  std::vector<std::byte> result = bytes_;
  for_each_block(pool, [&](size_t block, Scratch& s) {
    round(block, s);
    const std::vector<float>& places = grid_.levels.empty() ? s.level : s.code;
    std::vector<uint8_t> codes(places.begin(), places.end());
    if (!grid_.order.empty()) {
      for (uint8_t& code : codes) code = grid_.order[code];
    }
    write_codes(dtype_, codes.data(), block_, &result[block * block_bytes_]);
  });
  return result;
}

}  // namespace nibble
