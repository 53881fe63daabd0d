#include "runtime/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/cpu.h"
#include "base/half.h"
#include "kernels/registry.h"

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
  if (!layout.quantized()) return;
  if (!quantize_) quantize_ = select_quantize_activations(selected_isa());
  const size_t groups = layout.groups(), value_groups = layout.value_groups();
  codes_.resize(rows * groups * kKvGroup);
  scales_.resize(rows * groups);
  sums_.resize(rows * groups);
  scaled_sums_.resize(rows * groups);
  planes_.resize(rows * value_groups * 2 * kKvBlock);
  weight_scales_.resize(rows);
  weight_offsets_.resize(rows * value_groups);
}

void AttentionRows::load(size_t row, const float* query, const KvLayout& layout) {
  float* scaled = &queries_[row * layout.head_dim];
  const float factor = 1.0f / std::sqrt(float(layout.head_dim));
  if (!layout.quantized()) {
    vector_ops().scale(query, factor, scaled, layout.head_dim);
    return;
  }
  layout.rotate(query, factor, scaled, 1);
  const size_t groups = layout.groups(), index = row * groups;
  quantize_(scaled, layout.head_dim, kKvGroup,
            {&codes_[index * kKvGroup], nullptr, &scales_[index], &sums_[index], &scaled_sums_[index], 1});
}

void AttentionRows::score(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                          size_t panel, size_t panels) {
  const size_t dim = layout.head_dim, groups = layout.groups(), position = panel * kKeyPanel;
  const float* queries = &queries_[first * dim];
  float* scores = &scores_[first * kKvBlock];
  if (layout.type == KvType::f32) {
    vector_ops().attention_scores(queries, count, reinterpret_cast<const float*>(block) + position, panels,
                                  dim, scores + position, kKvBlock);
  } else if (layout.type == KvType::f16) {
    vector_ops().attention_scores_half(queries, count, reinterpret_cast<const half*>(block) + position,
                                       panels, dim, scores + position, kKvBlock);
  } else {
    const QueryCodes codes{&codes_[first * groups * kKvGroup], &scales_[first * groups],
                           &sums_[first * groups], groups};
    const auto& ops = quantized_attention_ops();
    const auto run = layout.type == KvType::int8 ? ops.score_int8 : ops.score_int4;
    run(codes, count, reinterpret_cast<const uint8_t*>(block), panel, panel + panels, scores, kKvBlock);
  }
}

ValueWeights AttentionRows::quantize_weights(const KvLayout& layout, const std::byte* block, size_t first,
                                             size_t count, uint32_t from, uint32_t to) {
  const QuantizedAttentionOps& ops = quantized_attention_ops();
  const size_t groups = layout.value_groups();
  const auto* scales = reinterpret_cast<const half*>(block + layout.value_scales);
  const auto* minima = reinterpret_cast<const half*>(block + layout.value_minima);
  for (size_t row = first; row < first + count; ++row) {
    float* weights = &scores_[row * kKvBlock];
    std::fill(weights, weights + from, 0.0f);
    std::fill(weights + to, weights + kKvBlock, 0.0f);
    const size_t index = row * groups;
    weight_scales_[row] = ops.quantize_weights(weights, scales, groups, &planes_[index * 2 * kKvBlock]);
    if (layout.type != KvType::int4) continue;
    for (size_t g = 0; g < groups; ++g) {
      weight_offsets_[index + g] = ops.weigh_minima(weights, minima + g * kKvBlock);
    }
  }
  return {&planes_[first * groups * 2 * kKvBlock], &weight_scales_[first], &weight_offsets_[first * groups],
          groups};
}

void AttentionRows::add_values(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                               uint32_t from, uint32_t to, AttentionResult& result) {
  const float *weights = &scores_[first * kKvBlock + from], *rescale = &rescale_[first];
  const size_t positions = to - from, stride = layout.value_stride;
  const std::byte* values = block + layout.values;
  float* out = &result.out[first * stride];
  if (layout.type == KvType::f32) {
    vector_ops().attention_values(weights, kKvBlock, count,
                                  reinterpret_cast<const float*>(values) + from * stride, positions, stride,
                                  rescale, out);
  } else if (layout.type == KvType::f16) {
    vector_ops().attention_values_half(weights, kKvBlock, count,
                                       reinterpret_cast<const half*>(values) + from * stride, positions,
                                       stride, rescale, out);
  } else {
    const ValueWeights integers = quantize_weights(layout, block, first, count, from, to);
    const QuantizedAttentionOps& ops = quantized_attention_ops();
    const size_t first_quad = from / 4, last_quad = (to + 3) / 4;
    if (layout.type == KvType::int8) {
      ops.add_int8(integers, count, reinterpret_cast<const int8_t*>(values), first_quad, last_quad, stride,
                   rescale, out);
    } else {
      ops.add_int4(integers, count, reinterpret_cast<const uint8_t*>(values), first_quad, last_quad, stride,
                   rescale, out);
    }
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
