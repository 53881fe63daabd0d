#include "runtime/slice.h"

#include <algorithm>
#include <numeric>

namespace nibble {

void Slice::set(std::span<const TokenPlace> places, const Rope& rope, size_t query_tokens, ThreadPool& pool) {
  places_ = places;
  pairs_ = rope.pairs();
  order_.resize(places.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::stable_sort(order_.begin(), order_.end(),
                   [&](uint32_t a, uint32_t b) { return places[a].sequence < places[b].sequence; });
  set_blocks(query_tokens);
  set_angles(rope, pool);
}

void Slice::set_blocks(size_t query_tokens) {
  blocks_.clear();
  for (size_t begin = 0, end = 0; begin < order_.size(); begin = end) {
    const TokenPlace& first = places_[order_[begin]];
    while (end < order_.size() && end - begin < query_tokens &&
           places_[order_[end]].sequence == first.sequence) {
      ++end;
    }
    blocks_.push_back({first.sequence, first.position, {&order_[begin], end - begin}});
  }
  // Latest positions last: Attention begins with them.
  std::stable_sort(blocks_.begin(), blocks_.end(), [](const QueryBlock& a, const QueryBlock& b) {
    return a.first_position < b.first_position;
  });
}

void Slice::set_angles(const Rope& rope, ThreadPool& pool) {
  const size_t needed = tokens() * pairs_;
  if (cosines_.size() < needed) {
    cosines_.resize(needed);
    sines_.resize(needed);
  }
  // A block has one sequence and so one set of frequencies.
  pool.parallel_for(blocks_.size(), 4, [&](size_t begin, size_t end) {
    for (size_t b = begin; b < end; ++b) {
      const QueryBlock& block = blocks_[b];
      const std::vector<double> frequencies = rope.frequencies(places_[block.tokens[0]].final_length);
      for (const uint32_t token : block.tokens) {
        rope.angles(frequencies, places_[token].position, &cosines_[token * pairs_], &sines_[token * pairs_]);
      }
    }
  });
}

void Buffers::resize(const ModelConfig& config, size_t tokens) {
  const auto grow = [&](std::vector<float>& buffer, size_t width) {
    if (buffer.size() < tokens * width) buffer.resize(tokens * width);
  };
  const size_t q_width = size_t(config.n_heads) * config.head_dim;
  const size_t kv_width = size_t(config.n_kv_heads) * config.head_dim;
  grow(x, config.hidden);
  grow(q, q_width);
  grow(k, kv_width);
  grow(v, kv_width);
  grow(attended, q_width);
  grow(gate, config.ffn);
  grow(up, config.ffn);
  grow(delta, config.hidden);
}

}  // namespace nibble
