#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/linear.h"
#include "runtime/attention.h"
#include "runtime/kv_cache.h"
#include "runtime/rope.h"

namespace nibble {

/// Where a token of a slice stands.
struct TokenPlace {
  uint32_t sequence = 0;
  uint32_t position = 0;
  uint32_t final_length = 0;  ///< of its sequence when the whole batch is done
};

/// Tokens that are computed at once, from any sequences in any interleaving, and what all layers need to
/// know of them.
class Slice {
 public:
  /// Prepares rotation and the blocks of attention. A sequence's tokens must stand in order.
  void set(std::span<const TokenPlace> places, const Rope& rope, size_t query_tokens, ThreadPool& pool);

  size_t tokens() const { return places_.size(); }
  const TokenPlace& place(size_t token) const { return places_[token]; }
  const float* cosines(size_t token) const { return cosines_.data() + token * pairs_; }  // [pairs]
  const float* sines(size_t token) const { return sines_.data() + token * pairs_; }      // [pairs]
  std::span<const QueryBlock> blocks() const { return blocks_; }

 private:
  void set_blocks(size_t query_tokens);
  void set_angles(const Rope& rope, ThreadPool& pool);

  std::span<const TokenPlace> places_;
  size_t pairs_ = 0;
  std::vector<float> cosines_, sines_;  // [tokens, pairs]
  std::vector<uint32_t> order_;         // tokens, sequence by sequence
  std::vector<QueryBlock> blocks_;
};

/// The activations of a slice. Grown to the largest slice seen.
struct Buffers {
  void resize(const ModelConfig& config, size_t tokens);

  std::vector<float> x;         // [tokens, hidden], the residual stream
  std::vector<float> q;         // [tokens, n_heads * head_dim]
  std::vector<float> k, v;      // [tokens, n_kv_heads * head_dim]
  std::vector<float> attended;  // [tokens, n_heads * head_dim]
  std::vector<float> gate, up;  // [tokens, ffn]
  std::vector<float> delta;     // [tokens, hidden], what a half of the layer adds to x
  Activations activations;      // the input of the matrix product at hand
};

}  // namespace nibble
