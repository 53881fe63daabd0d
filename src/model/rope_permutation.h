#pragma once

#include <cstdint>
#include <string_view>

#include "model/model_config.h"

namespace nibble {

/// Rotary embedding turns pairs of a head's elements. Hugging Face pairs element i of the first half with
/// element i of the second; GGUF files of the llama architecture hold the rows of query and key in an
/// order that makes the pairs neighbours. These map row numbers of such a tensor, [heads * head_dim, cols]
/// or a bias, from one order to the other; rows beyond the first `rope_dims` of a head stay.

/// Where row `hf_row` stands in GGUF's order.
constexpr uint64_t gguf_row_of(uint64_t hf_row, uint64_t head_dim, uint64_t rope_dims) {
  const uint64_t head = hf_row / head_dim, at = hf_row % head_dim, pairs = rope_dims / 2;
  if (at >= rope_dims) return hf_row;
  return head * head_dim + 2 * (at % pairs) + at / pairs;
}

/// Where GGUF's row `gguf_row` stands in Hugging Face's order: what to read when writing row by row.
constexpr uint64_t hf_row_of(uint64_t gguf_row, uint64_t head_dim, uint64_t rope_dims) {
  const uint64_t head = gguf_row / head_dim, at = gguf_row % head_dim, pairs = rope_dims / 2;
  if (at >= rope_dims) return gguf_row;
  return head * head_dim + at / 2 + pairs * (at % 2);
}

/// True when the rows of this tensor of this model have to change their order to be written as GGUF: query
/// and key, weights and biases, of a llama that came with halves. `name` is GGUF's.
bool needs_row_permutation(const ModelConfig& config, std::string_view name);

}  // namespace nibble
