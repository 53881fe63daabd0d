#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

/// The queries of a task, and one step of their attention: a block of keys and values of one head.
class AttentionRows {
 public:
  void resize(size_t rows, const KvLayout& layout);
  /// Sets a row's query [head_dim].
  void load(size_t row, const float* query, const KvLayout& layout);
  /// Rows [first, first + count) see the positions [from, to) of the block.
  void attend(const KvLayout& layout, const std::byte* block, size_t first, size_t count, uint32_t from,
              uint32_t to, AttentionResult& result);

 private:
  void score(const KvLayout& layout, const std::byte* block, size_t first, size_t count, size_t panel,
             size_t panels);
  void add_values(const KvLayout& layout, const std::byte* block, size_t first, size_t count, uint32_t from,
                  uint32_t to, AttentionResult& result);

  /// The rows' scores as the integers that quantized values are multiplied with.
  ValueWeights quantize_weights(const KvLayout& layout, const std::byte* block, size_t first, size_t count,
                                uint32_t from, uint32_t to);

  std::vector<float> queries_;  // [rows, head_dim], scaled by 1 / sqrt(head_dim)
  std::vector<float> scores_;   // [rows, kKvBlock]
  std::vector<float> rescale_;  // [rows]
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
