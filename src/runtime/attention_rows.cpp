#include "runtime/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/cpu.h"
#include "base/half.h"
#include "kernels/registry.h"

namespace nibble {

namespace {

/// Up to so many rows halves are converted as they are multiplied; for more, which would convert them once
/// for each tile of rows, once for all. Two tiles of AVX-512's scores.
constexpr size_t kHalfRows = 12;

}  // namespace

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

AttentionRows::Floats AttentionRows::floats(const KvLayout& layout, const std::byte* block, size_t rows) {
  const std::byte* values = block + layout.values;
  if (layout.type == KvType::f32) {
    return {.keys = reinterpret_cast<const float*>(block), .values = reinterpret_cast<const float*>(values)};
  }
  const auto *half_keys = reinterpret_cast<const half*>(block),
             *half_values = reinterpret_cast<const half*>(values);
  if (rows <= kHalfRows) return {.half_keys = half_keys, .half_values = half_values};
  keys_.resize(layout.head_dim * kKeyStride);
  values_.resize(kKvBlock * layout.value_stride);
  vector_ops().half_to_float(half_keys, keys_.data(), keys_.size());
  vector_ops().half_to_float(half_values, values_.data(), values_.size());
  return {.keys = keys_.data(), .values = values_.data()};
}

void AttentionRows::score(const KvLayout& layout, const std::byte* block, const Floats& floats, size_t first,
                          size_t count, size_t panel, size_t panels) {
  const size_t dim = layout.head_dim, groups = layout.groups(), position = panel * kKeyPanel;
  const float* queries = &queries_[first * dim];
  float* scores = &scores_[first * kKvBlock];
  if (floats.keys != nullptr) {
    vector_ops().attention_scores(queries, count, floats.keys + position, panels, dim, scores + position,
                                  kKvBlock);
  } else if (floats.half_keys != nullptr) {
    vector_ops().attention_scores_half(queries, count, floats.half_keys + position, panels, dim,
                                       scores + position, kKvBlock);
  } else {
    const QueryCodes codes{&codes_[first * groups * kKvGroup], &scales_[first * groups],
                           &sums_[first * groups], groups};
    const auto& ops = quantized_attention_ops();
    const auto run = layout.type == KvType::int8 ? ops.score_int8 : ops.score_int4;
    run(codes, count, reinterpret_cast<const uint8_t*>(block), panel, panel + panels, scores, kKvBlock);
  }
}

ValueWeights AttentionRows::quantize_weights(const KvLayout& layout, const std::byte* block, size_t first,
                                             size_t count, View view) {
  const QuantizedAttentionOps& ops = quantized_attention_ops();
  const size_t groups = layout.value_groups();
  const auto* scales = reinterpret_cast<const half*>(block + layout.value_scales);
  const auto* minima = reinterpret_cast<const half*>(block + layout.value_minima);
  for (size_t row = first; row < first + count; ++row) {
    float* weights = &scores_[row * kKvBlock];
    std::fill(weights, weights + view.from, 0.0f);
    std::fill(weights + view.to, weights + kKvBlock, 0.0f);
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

void AttentionRows::add_values(const KvLayout& layout, const std::byte* block, const Floats& floats,
                               size_t first, size_t count, View view, AttentionResult& result) {
  const auto [from, to] = view;
  const float *weights = &scores_[first * kKvBlock + from], *rescale = &rescale_[first];
  const size_t positions = to - from, stride = layout.value_stride;
  float* out = &result.out[first * stride];
  if (floats.values != nullptr) {
    vector_ops().attention_values(weights, kKvBlock, count, floats.values + from * stride, positions, stride,
                                  rescale, out);
  } else if (floats.half_values != nullptr) {
    vector_ops().attention_values_half(weights, kKvBlock, count, floats.half_values + from * stride,
                                       positions, stride, rescale, out);
  } else {
    const ValueWeights integers = quantize_weights(layout, block, first, count, view);
    const std::byte* values = block + layout.values;
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

void AttentionRows::attend(const KvLayout& layout, const std::byte* block, size_t first,
                           std::span<const View> views, size_t group, AttentionResult& result) {
  View all = views[0];
  for (const View& view : views) all = {std::min(all.from, view.from), std::max(all.to, view.to)};
  const size_t rows = views.size() * group;
  const Floats floats = layout.quantized() ? Floats{} : this->floats(layout, block, rows);
  // Whole panels are multiplied; the scores that a token does not see are not looked at.
  const size_t panel = all.from / kKeyPanel, panels = (all.to + kKeyPanel - 1) / kKeyPanel - panel;
  score(layout, block, floats, first, rows, panel, panels);
  for (size_t r = 0; r < rows; ++r) {
    const size_t row = first + r;
    const auto [from, to] = views[r / group];
    rescale_[row] = vector_ops().softmax_step(&scores_[row * kKvBlock + from], to - from, &result.max[row],
                                              &result.sum[row]);
  }
  // What a token does not see may be infinite, of which no weight makes nothing: neighbours go together only
  // where they see the same.
  for (size_t token = 0; token < views.size();) {
    size_t next = token + 1;
    while (next < views.size() && views[next] == views[token]) ++next;
    add_values(layout, block, floats, first + token * group, (next - token) * group, views[token], result);
    token = next;
  }
}

}  // namespace nibble
