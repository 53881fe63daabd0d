#include "runtime/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "kernels/vector_ops.h"

namespace nibble {

namespace {

// Enough rows to read a key block from the level-2 cache once per many products; few enough that a task's
// queries, scores and outputs stay in the level-1 cache beside it, and that there are tasks for all threads.
constexpr size_t kQueryRows = 32;

/// Positions [begin, end) of a head as float32 [end - begin, stride]: in place, or converted into scratch.
const float* load_block(const std::byte* head, KvType type, uint32_t begin, uint32_t end, size_t stride,
                        std::vector<float>& scratch) {
  if (type == KvType::f32) return reinterpret_cast<const float*>(head) + begin * stride;
  const half* halves = reinterpret_cast<const half*>(head) + begin * stride;
  vector_ops().half_to_float(halves, scratch.data(), (end - begin) * stride);
  return scratch.data();
}

}  // namespace

size_t Attention::query_tokens() const {
  return std::max<size_t>(1, kQueryRows / (config_.n_heads / config_.n_kv_heads));
}

uint32_t Attention::window_begin(uint32_t position) const {
  const uint32_t window = config_.sliding_window;
  return window == 0 || position < window ? 0 : position - window + 1;
}

void Attention::resize(Scratch& s, size_t stride) const {
  const size_t rows = query_tokens() * (config_.n_heads / config_.n_kv_heads);
  // Zeros in the padding of the queries; the rest is written before it is read.
  s.queries.resize(rows * stride);
  s.keys.resize(kKeyBlock * stride);
  s.values.resize(kKeyBlock * stride);
  s.scores.resize(rows * kKeyBlock);
  s.out.resize(rows * stride);
  s.max.resize(rows);
  s.sum.resize(rows);
  s.rescale.resize(rows);
}

void Attention::load_queries(const QueryBlock& block, uint32_t kv_head, size_t stride, const float* q,
                             Scratch& s) const {
  const size_t group = config_.n_heads / config_.n_kv_heads, head_dim = config_.head_dim;
  const float scale = 1.0f / std::sqrt(float(head_dim));
  for (size_t t = 0; t < block.tokens.size(); ++t) {
    const float* heads = q + (size_t(block.tokens[t]) * config_.n_heads + kv_head * group) * head_dim;
    for (size_t g = 0; g < group; ++g) {
      vector_ops().scale(heads + g * head_dim, scale, s.queries.data() + (t * group + g) * stride, head_dim);
    }
  }
  const size_t rows = block.tokens.size() * group;
  std::fill_n(s.out.begin(), rows * stride, 0.0f);
  std::fill_n(s.max.begin(), rows, -std::numeric_limits<float>::infinity());
  std::fill_n(s.sum.begin(), rows, 0.0f);
}

void Attention::store_outputs(const QueryBlock& block, uint32_t kv_head, size_t stride, float* out,
                              const Scratch& s) const {
  const size_t group = config_.n_heads / config_.n_kv_heads, head_dim = config_.head_dim;
  for (size_t t = 0; t < block.tokens.size(); ++t) {
    float* heads = out + (size_t(block.tokens[t]) * config_.n_heads + kv_head * group) * head_dim;
    for (size_t g = 0; g < group; ++g) {
      const size_t row = t * group + g;
      vector_ops().scale(s.out.data() + row * stride, 1.0f / s.sum[row], heads + g * head_dim, head_dim);
    }
  }
}

void Attention::run_block(const KvCache& cache, uint32_t layer, uint32_t kv_head, const QueryBlock& block,
                          const float* q, float* out, Scratch& s) const {
  const VectorOps& ops = vector_ops();
  const size_t group = config_.n_heads / config_.n_kv_heads, stride = cache.stride();
  const uint32_t tokens = uint32_t(block.tokens.size());
  const uint32_t end = block.first_position + tokens;  // of what the last token sees
  const std::byte* key_head = cache.keys(layer, block.sequence, kv_head);
  const std::byte* value_head = cache.values(layer, block.sequence, kv_head);
  load_queries(block, kv_head, stride, q, s);

  for (uint32_t begin = window_begin(block.first_position) / kKeyBlock * kKeyBlock; begin < end;
       begin += kKeyBlock) {
    const uint32_t block_end = std::min(begin + kKeyBlock, end);
    const float* keys = load_block(key_head, cache.type(), begin, block_end, stride, s.keys);
    const float* values = load_block(value_head, cache.type(), begin, block_end, stride, s.values);

    // Tokens [first, last) see the positions [from, to) of this block.
    const auto attend = [&](uint32_t first, uint32_t last, uint32_t from, uint32_t to) {
      const size_t row = first * group, rows = (last - first) * group;
      float* scores = s.scores.data() + row * kKeyBlock;
      const size_t offset = (from - begin) * stride;
      ops.attention_scores(s.queries.data() + row * stride, rows, keys + offset, to - from, stride, scores,
                           kKeyBlock);
      for (size_t r = 0; r < rows; ++r) {
        s.rescale[row + r] =
            ops.softmax_step(scores + r * kKeyBlock, to - from, &s.max[row + r], &s.sum[row + r]);
      }
      ops.attention_values(scores, kKeyBlock, rows, values + offset, to - from, stride, &s.rescale[row],
                           s.out.data() + row * stride);
    };

    // Neighbours that see the whole block go together; those it ends or begins in go one by one, each
    // with its own limits.
    for (uint32_t first = 0; first < tokens;) {
      const auto sees_all = [&](uint32_t token) {
        const uint32_t position = block.first_position + token;
        return position >= begin + kKeyBlock - 1 && window_begin(position) <= begin;
      };
      uint32_t last = first;
      while (last < tokens && sees_all(last)) ++last;
      if (last > first) {
        attend(first, last, begin, begin + kKeyBlock);
      } else {
        const uint32_t position = block.first_position + first;
        const uint32_t from = std::max(begin, window_begin(position)), to = std::min(block_end, position + 1);
        if (from < to) attend(first, first + 1, from, to);
        last = first + 1;
      }
      first = last;
    }
  }
  store_outputs(block, kv_head, stride, out, s);
}

void Attention::run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
                    float* out, ThreadPool& pool) {
  if (scratch_.empty()) {
    scratch_.resize(size_t(pool.size()));
    for (Scratch& s : scratch_) resize(s, cache.stride());
  }
  // Blocks of one head follow each other, so that its keys stay in cache; late positions, which have the
  // most keys, come first, so that no thread ends with a long task.
  pool.parallel_for(blocks.size() * config_.n_kv_heads, 1, [&](size_t begin, size_t end, int thread) {
    for (size_t task = begin; task < end; ++task) {
      const uint32_t kv_head = uint32_t(task / blocks.size());
      const QueryBlock& block = blocks[blocks.size() - 1 - task % blocks.size()];
      run_block(cache, layer, kv_head, block, q, out, scratch_[size_t(thread)]);
    }
  });
}

}  // namespace nibble
