#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/half.h"
#include "kernels/matmul_args.h"
#include "runtime/kv_layout.h"

namespace nibble {

/// Softmax sums of rows, where rows are the queries of some tokens and heads that read the same keys.
struct AttentionResult {
  void resize(size_t rows, size_t value_stride);
  /// No position seen yet.
  void clear(size_t rows, size_t value_stride);
  /// Adds what the rows saw elsewhere.
  void merge(const AttentionResult& other, size_t rows, size_t value_stride);

  std::vector<float> out;       // [rows, value_stride], sum of exp(score - max) * value
  std::vector<float> max, sum;  // [rows], of the scores seen and of exp(score - max)
};

/// The positions [from, to) of a block that a token sees.
struct View {
  uint32_t from, to;
  bool operator==(const View&) const = default;
};

/// The queries of a task, and one step of their attention: a block of keys and values of one head.
class AttentionRows {
 public:
  void resize(size_t rows, const KvLayout& layout);
  /// Sets a row's query [head_dim].
  void load(size_t row, const float* query, const KvLayout& layout);
  /// Some neighbouring tokens, each with `group` rows from row `first` on, and what each sees of the block,
  /// which is not nothing.
  void attend(const KvLayout& layout, const std::byte* block, size_t first, std::span<const View> views,
              size_t group, AttentionResult& result);

 private:
  /// A block's keys [head_dim, kKeyStride] and values [kKvBlock, value_stride] as the rows are multiplied
  /// with them; for a cache of integers they stay where they are.
  struct Floats {
    const half *half_keys = nullptr, *half_values = nullptr;
    const float *keys = nullptr, *values = nullptr;
  };
  Floats floats(const KvLayout& layout, const std::byte* block, size_t rows);

  void score(const KvLayout& layout, const std::byte* block, const Floats& floats, size_t first, size_t count,
             size_t panel, size_t panels);
  void add_values(const KvLayout& layout, const std::byte* block, const Floats& floats, size_t first,
                  size_t count, View view, AttentionResult& result);

  /// The rows' scores as the integers that quantized values are multiplied with.
  ValueWeights quantize_weights(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                                View view);

  std::vector<float> queries_;        // [rows, head_dim], scaled by 1 / sqrt(head_dim)
  std::vector<float> scores_;         // [rows, kKvBlock]
  std::vector<float> rescale_;        // [rows]
  std::vector<float> keys_, values_;  // of a block of halves
  // For int8 and int4; groups are those of the layout.
  std::vector<int8_t> codes_;          // [rows, groups * kKvGroup], of the queries
  std::vector<float> scales_;          // [rows, groups]
  std::vector<int32_t> sums_;          // [rows, groups]
  std::vector<float> scaled_sums_;     // [rows, groups]
  std::vector<uint8_t> planes_;        // [rows, value groups, 2, kKvBlock]
  std::vector<float> weight_scales_;   // [rows, value groups]
  std::vector<float> weight_offsets_;  // [rows, value groups]
  QuantizeActivations quantize_ = nullptr;
};

}  // namespace nibble
