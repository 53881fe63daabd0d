#include "runtime/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"

namespace nibble {

void AttentionResult::resize(size_t rows, size_t value_stride) {
  if (out.size() < rows * value_stride) out.resize(rows * value_stride);
  for (auto* per_row : {&max, &sum}) {
    if (per_row->size() < rows) per_row->resize(rows);
  }
}

void AttentionResult::clear(size_t rows, size_t value_stride) {
  std::fill_n(out.begin(), rows * value_stride, 0.0f);
  std::fill_n(max.begin(), rows, -std::numeric_limits<float>::infinity());
  std::fill_n(sum.begin(), rows, 0.0f);
}

void AttentionResult::merge(const AttentionResult& other, size_t rows, size_t value_stride) {
  const VectorOps& ops = vector_ops();
  for (size_t r = 0; r < rows; ++r) {
    // The largest score seen adds exp(0): a sum is zero only where nothing was seen.
    if (other.sum[r] == 0.0f) continue;
    float* mine = out.data() + r * value_stride;
    const float* theirs = other.out.data() + r * value_stride;
    if (sum[r] == 0.0f) {
      std::copy_n(theirs, value_stride, mine);
      max[r] = other.max[r];
      sum[r] = other.sum[r];
      continue;
    }
    // Either factor is 1.
    const float largest = std::max(max[r], other.max[r]);
    const float factor = std::exp(max[r] - largest), other_factor = std::exp(other.max[r] - largest);
    ops.scale(mine, factor, mine, value_stride);
    ops.add_scaled(mine, theirs, other_factor, value_stride);
    sum[r] = sum[r] * factor + other.sum[r] * other_factor;
    max[r] = largest;
  }
}

void AttentionRows::resize(size_t rows, const KvLayout& layout) {
  queries_.resize(rows * layout.head_dim);
  scores_.resize(rows * kKvBlock);
  rescale_.resize(rows);
}

void AttentionRows::load(size_t row, const float* query, const KvLayout& layout) {
  vector_ops().scale(query, 1.0f / std::sqrt(float(layout.head_dim)), &queries_[row * layout.head_dim],
                     layout.head_dim);
}

void AttentionRows::score(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                          size_t panel, size_t panels) {
  const VectorOps& ops = vector_ops();
  const size_t dim = layout.head_dim, offset = panel * dim * kKeyPanel;
  const float* queries = &queries_[first * dim];
  float* scores = &scores_[first * kKvBlock + panel * kKeyPanel];
  if (layout.type == KvType::f32) {
    const float* keys = reinterpret_cast<const float*>(block) + offset;
    ops.attention_scores(queries, count, keys, panels, dim, scores, kKvBlock);
  } else {
    const half* keys = reinterpret_cast<const half*>(block) + offset;
    ops.attention_scores_half(queries, count, keys, panels, dim, scores, kKvBlock);
  }
}

void AttentionRows::add_values(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                               uint32_t from, uint32_t to, AttentionResult& result) {
  const VectorOps& ops = vector_ops();
  const float* weights = &scores_[first * kKvBlock + from];
  const size_t positions = to - from, stride = layout.value_stride, offset = from * stride;
  float* out = &result.out[first * stride];
  if (layout.type == KvType::f32) {
    const float* values = reinterpret_cast<const float*>(block + layout.values) + offset;
    ops.attention_values(weights, kKvBlock, count, values, positions, stride, &rescale_[first], out);
  } else {
    const half* values = reinterpret_cast<const half*>(block + layout.values) + offset;
    ops.attention_values_half(weights, kKvBlock, count, values, positions, stride, &rescale_[first], out);
  }
}

void AttentionRows::attend(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                           uint32_t from, uint32_t to, AttentionResult& result) {
  // Whole panels are multiplied; the scores outside of [from, to) are not looked at.
  const size_t panel = from / kKeyPanel, panels = (to + kKeyPanel - 1) / kKeyPanel - panel;
  score(layout, block, first, count, panel, panels);
  for (size_t row = first; row < first + count; ++row) {
    rescale_[row] = vector_ops().softmax_step(&scores_[row * kKvBlock + from], to - from, &result.max[row],
                                              &result.sum[row]);
  }
  add_values(layout, block, first, count, from, to, result);
}

}  // namespace nibble
