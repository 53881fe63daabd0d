#include "runtime/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "kernels/vector_ops.h"

namespace nibble {

namespace {

// Enough rows to read a block of keys once per many products; few enough that a task's queries, scores and
// outputs stay in the level-1 cache beside it, and that there are tasks for all threads.
constexpr size_t kQueryRows = 32;

}  // namespace

/// The keys and values of one head of one sequence.
struct Attention::Head {
  uint32_t index;  ///< among the key heads
  KvType type;
  const std::byte *keys, *values;
  size_t value_stride;
};

size_t Attention::query_tokens() const {
  return std::max<size_t>(1, kQueryRows / group());
}

uint32_t Attention::window_begin(uint32_t position) const {
  const uint32_t window = config_.sliding_window;
  return window == 0 || position < window ? 0 : position - window + 1;
}

void Attention::load_queries(const Head& head, const QueryBlock& queries, const float* q, Scratch& s) const {
  const size_t head_dim = config_.head_dim, width = group() * head_dim;
  const size_t rows = queries.tokens.size() * group();
  const float scale = 1.0f / std::sqrt(float(head_dim));
  for (size_t t = 0; t < queries.tokens.size(); ++t) {
    const float* heads = q + (size_t(queries.tokens[t]) * config_.n_kv_heads + head.index) * width;
    vector_ops().scale(heads, scale, s.queries.data() + t * width, width);
  }
  std::fill_n(s.out.begin(), rows * head.value_stride, 0.0f);
  std::fill_n(s.max.begin(), rows, -std::numeric_limits<float>::infinity());
  std::fill_n(s.sum.begin(), rows, 0.0f);
}

void Attention::store_outputs(const Head& head, const QueryBlock& queries, float* out,
                              const Scratch& s) const {
  const size_t head_dim = config_.head_dim;
  for (size_t t = 0; t < queries.tokens.size(); ++t) {
    float* heads = out + (size_t(queries.tokens[t]) * config_.n_kv_heads + head.index) * group() * head_dim;
    for (size_t g = 0; g < group(); ++g) {
      const size_t row = t * group() + g;
      const float* sums = s.out.data() + row * head.value_stride;
      vector_ops().scale(sums, 1.0f / s.sum[row], heads + g * head_dim, head_dim);
    }
  }
}

void Attention::attend(const Head& head, uint32_t first, uint32_t last, uint32_t block, uint32_t from,
                       uint32_t to, Scratch& s) const {
  const VectorOps& ops = vector_ops();
  const size_t row = first * group(), rows = (last - first) * group();
  // Whole panels are multiplied; the scores outside of [from, to) are not looked at.
  const size_t first_panel = from / kKeyPanel, panels = (to + kKeyPanel - 1) / kKeyPanel - first_panel;
  const size_t key_offset = first_panel * config_.head_dim * kKeyPanel;
  const float* queries = s.queries.data() + row * config_.head_dim;
  float* scores = s.scores.data() + row * kKeyBlock;
  float* panel_scores = scores + first_panel * kKeyPanel - block;
  if (head.type == KvType::f32) {
    const float* keys = reinterpret_cast<const float*>(head.keys) + key_offset;
    ops.attention_scores(queries, rows, keys, panels, config_.head_dim, panel_scores, kKeyBlock);
  } else {
    const half* keys = reinterpret_cast<const half*>(head.keys) + key_offset;
    ops.attention_scores_half(queries, rows, keys, panels, config_.head_dim, panel_scores, kKeyBlock);
  }

  scores += from - block;
  const size_t positions = to - from, value_offset = from * head.value_stride;
  for (size_t r = 0; r < rows; ++r) {
    s.rescale[row + r] =
        ops.softmax_step(scores + r * kKeyBlock, positions, &s.max[row + r], &s.sum[row + r]);
  }
  float* out = s.out.data() + row * head.value_stride;
  if (head.type == KvType::f32) {
    const float* values = reinterpret_cast<const float*>(head.values) + value_offset;
    ops.attention_values(scores, kKeyBlock, rows, values, positions, head.value_stride, &s.rescale[row], out);
  } else {
    const half* values = reinterpret_cast<const half*>(head.values) + value_offset;
    ops.attention_values_half(scores, kKeyBlock, rows, values, positions, head.value_stride, &s.rescale[row],
                              out);
  }
}

void Attention::run_task(const Head& head, const QueryBlock& queries, const float* q, float* out,
                         Scratch& s) const {
  const uint32_t tokens = uint32_t(queries.tokens.size());
  const uint32_t end = queries.first_position + tokens;  // of what the last token sees
  load_queries(head, queries, q, s);
  for (uint32_t block = window_begin(queries.first_position) / kKeyBlock * kKeyBlock; block < end;
       block += kKeyBlock) {
    // Neighbours that see the whole block go together; those whose view begins or ends in it go one by
    // one, each with its own limits.
    const auto sees_all = [&](uint32_t token) {
      const uint32_t position = queries.first_position + token;
      return position + 1 >= block + kKeyBlock && window_begin(position) <= block;
    };
    for (uint32_t token = 0; token < tokens;) {
      const uint32_t first = token;
      while (token < tokens && sees_all(token)) ++token;
      if (token > first) {
        attend(head, first, token, block, block, block + kKeyBlock, s);
        continue;
      }
      const uint32_t position = queries.first_position + token++;
      const uint32_t from = std::max(block, window_begin(position));
      const uint32_t to = std::min(block + kKeyBlock, position + 1);
      if (from < to) attend(head, first, first + 1, block, from, to, s);
    }
  }
  store_outputs(head, queries, out, s);
}

void Attention::run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
                    float* out, ThreadPool& pool) {
  scratch_.resize(size_t(pool.size()));
  const size_t rows = query_tokens() * group();
  for (Scratch& s : scratch_) {
    s.queries.resize(rows * config_.head_dim);
    s.scores.resize(rows * kKeyBlock);
    s.out.resize(rows * cache.value_stride());
    for (auto* per_row : {&s.max, &s.sum, &s.rescale}) per_row->resize(rows);
  }
  // Blocks of one head follow each other, so that its keys stay in cache; late positions, which have the
  // most keys, come first, so that no thread ends with a long task.
  pool.parallel_for(blocks.size() * config_.n_kv_heads, 1, [&](size_t begin, size_t end, int thread) {
    for (size_t task = begin; task < end; ++task) {
      const uint32_t kv_head = uint32_t(task / blocks.size());
      const QueryBlock& queries = blocks[blocks.size() - 1 - task % blocks.size()];
      const Head head{kv_head, cache.type(), cache.keys(layer, queries.sequence, kv_head),
                      cache.values(layer, queries.sequence, kv_head), cache.value_stride()};
      run_task(head, queries, q, out, scratch_[size_t(thread)]);
    }
  });
}

}  // namespace nibble
