#include "runtime/attention.h"

#include <algorithm>

#include "kernels/vector_ops.h"

namespace nibble {

namespace {

// Enough rows to read a block of keys once per many products; few enough that a task's queries, scores and
// outputs stay in the level-1 cache beside it, and that there are tasks for all threads.
constexpr size_t kQueryRows = 32;

/// With fewer tasks a thread, chunks are tasks of their own: one thread would end long after the others.
constexpr size_t kTasksPerThread = 8;

}  // namespace

struct Attention::Call {
  const KvCache& cache;
  uint32_t layer;
  std::span<const QueryBlock> blocks;
  const float* q;
  float* out;
};

size_t Attention::query_tokens() const {
  return std::max<size_t>(1, kQueryRows / group());
}

uint32_t Attention::window_begin(uint32_t position) const {
  const uint32_t window = config_.sliding_window;
  return window == 0 || position < window ? 0 : position - window + 1;
}

Attention::Chunks Attention::chunks(const QueryBlock& queries) const {
  const uint32_t end = queries.first_position + uint32_t(queries.tokens.size());
  return {window_begin(queries.first_position) / kChunk, (end + kChunk - 1) / kChunk};
}

void Attention::load(const Call& call, const QueryBlock& queries, uint32_t kv_head,
                     AttentionRows& rows) const {
  const size_t head_dim = config_.head_dim, width = group() * head_dim;
  for (size_t t = 0; t < queries.tokens.size(); ++t) {
    const float* heads = call.q + (size_t(queries.tokens[t]) * config_.n_kv_heads + kv_head) * width;
    for (size_t g = 0; g < group(); ++g)
      rows.load(t * group() + g, heads + g * head_dim, call.cache.layout());
  }
}

void Attention::store(const Call& call, const QueryBlock& queries, uint32_t kv_head,
                      const AttentionResult& result) const {
  const size_t head_dim = config_.head_dim, stride = call.cache.layout().value_stride;
  for (size_t t = 0; t < queries.tokens.size(); ++t) {
    float* heads =
        call.out + (size_t(queries.tokens[t]) * config_.n_kv_heads + kv_head) * group() * head_dim;
    for (size_t g = 0; g < group(); ++g) {
      const size_t row = t * group() + g;
      vector_ops().scale(&result.out[row * stride], 1.0f / result.sum[row], heads + g * head_dim, head_dim);
    }
  }
}

void Attention::attend_chunk(const Call& call, const QueryBlock& queries, uint32_t kv_head, uint32_t chunk,
                             AttentionRows& rows, AttentionResult& result) const {
  const KvLayout& layout = call.cache.layout();
  const uint32_t tokens = uint32_t(queries.tokens.size());
  const uint32_t end = std::min((chunk + 1) * kChunk, queries.first_position + tokens);
  const uint32_t begin = std::max(chunk * kChunk, window_begin(queries.first_position));
  result.clear(tokens * group(), layout.value_stride);
  for (uint32_t index = begin / kKvBlock; index * kKvBlock < end; ++index) {
    const uint32_t block = index * kKvBlock;
    const std::byte* data = call.cache.block(call.layer, queries.sequence, kv_head, index);
    const auto attend = [&](uint32_t first, uint32_t last, uint32_t from, uint32_t to) {
      rows.attend(layout, data, first * group(), (last - first) * group(), from - block, to - block, result);
    };
    // Neighbours that see the whole block go together; those whose view begins or ends in it go one by
    // one, each with its own limits.
    const auto sees_all = [&](uint32_t token) {
      const uint32_t position = queries.first_position + token;
      return position + 1 >= block + kKvBlock && window_begin(position) <= block;
    };
    for (uint32_t token = 0; token < tokens;) {
      const uint32_t first = token;
      while (token < tokens && sees_all(token)) ++token;
      if (token > first) {
        attend(first, token, block, block + kKvBlock);
        continue;
      }
      const uint32_t position = queries.first_position + token++;
      const uint32_t from = std::max(block, window_begin(position));
      const uint32_t to = std::min(block + kKvBlock, position + 1);
      if (from < to) attend(first, first + 1, from, to);
    }
  }
}

void Attention::prepare(const Call& call, size_t parts) {
  const size_t rows = query_tokens() * group();
  for (AttentionRows& r : rows_) r.resize(rows, call.cache.layout());
  if (results_.size() < parts) results_.resize(parts);
  for (size_t i = 0; i < parts; ++i) results_[i].resize(rows, call.cache.layout().value_stride);
}

void Attention::run_whole(const Call& call, ThreadPool& pool) {
  const size_t count = call.blocks.size();
  prepare(call, 2 * rows_.size());
  // Blocks of one head follow each other, so that its keys stay in cache; late positions, which have the
  // most keys, come first, so that no thread ends with a long task.
  pool.parallel_for(count * config_.n_kv_heads, 1, [&](size_t begin, size_t end, int thread) {
    AttentionRows& rows = rows_[size_t(thread)];
    AttentionResult &result = results_[2 * size_t(thread)], &part = results_[2 * size_t(thread) + 1];
    for (size_t task = begin; task < end; ++task) {
      const uint32_t kv_head = uint32_t(task / count);
      const QueryBlock& queries = call.blocks[count - 1 - task % count];
      load(call, queries, kv_head, rows);
      const Chunks range = chunks(queries);
      attend_chunk(call, queries, kv_head, range.begin, rows, result);
      for (uint32_t chunk = range.begin + 1; chunk < range.end; ++chunk) {
        attend_chunk(call, queries, kv_head, chunk, rows, part);
        result.merge(part, queries.tokens.size() * group(), call.cache.layout().value_stride);
      }
      store(call, queries, kv_head, result);
    }
  });
}

void Attention::run_chunks(const Call& call, ThreadPool& pool) {
  struct Task {
    uint32_t kv_head, chunk;
    const QueryBlock* queries;
    size_t group, first_part, parts;  ///< of the same queries and head
  };
  std::vector<Task> tasks;
  size_t groups = 0;
  for (uint32_t kv_head = 0; kv_head < config_.n_kv_heads; ++kv_head) {
    for (size_t b = call.blocks.size(); b-- > 0; ++groups) {
      const Chunks range = chunks(call.blocks[b]);
      const size_t first = tasks.size();
      for (uint32_t chunk = range.begin; chunk < range.end; ++chunk) {
        tasks.push_back({kv_head, chunk, &call.blocks[b], groups, first, range.end - range.begin});
      }
    }
  }
  prepare(call, tasks.size());
  if (pending_size_ < groups) {
    pending_ = std::make_unique<std::atomic<uint32_t>[]>(groups);
    pending_size_ = groups;
  }
  for (const Task& task : tasks) pending_[task.group].store(uint32_t(task.parts), std::memory_order_relaxed);
  pool.parallel_for(tasks.size(), 1, [&](size_t begin, size_t end, int thread) {
    AttentionRows& rows = rows_[size_t(thread)];
    for (size_t i = begin; i < end; ++i) {
      const Task& task = tasks[i];
      load(call, *task.queries, task.kv_head, rows);
      attend_chunk(call, *task.queries, task.kv_head, task.chunk, rows, results_[i]);
      // Whoever computes the last chunk merges all of them.
      if (pending_[task.group].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
      AttentionResult& result = results_[task.first_part];
      for (size_t part = 1; part < task.parts; ++part) {
        result.merge(results_[task.first_part + part], task.queries->tokens.size() * group(),
                     call.cache.layout().value_stride);
      }
      store(call, *task.queries, task.kv_head, result);
    }
  });
}

void Attention::run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
                    float* out, ThreadPool& pool) {
  const Call call{cache, layer, blocks, q, out};
  rows_.resize(size_t(pool.size()));
  const size_t tasks = blocks.size() * config_.n_kv_heads;
  if (pool.size() > 1 && tasks < kTasksPerThread * size_t(pool.size())) {
    run_chunks(call, pool);
  } else {
    run_whole(call, pool);
  }
}

}  // namespace nibble
