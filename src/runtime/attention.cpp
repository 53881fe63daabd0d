#include "runtime/attention.h"

#include <algorithm>

#include "kernels/vector_ops.h"

namespace nibble {

namespace {

// Enough rows to read a block of keys once per many products; few enough that a task's queries, scores and
// outputs stay in the level-1 cache beside it, and that there are tasks for all threads.
constexpr size_t kQueryRows = 32;

/// With fewer tasks a thread, one thread would end long after the others.
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

void Attention::load(const Call& call, const Task& task, AttentionRows& rows) const {
  const size_t head_dim = config_.head_dim, width = group() * head_dim;
  size_t row = 0;
  for (uint32_t h = task.heads.begin; h < task.heads.end; ++h) {
    for (const uint32_t token : task.queries->tokens) {
      const float* heads = call.q + (size_t(token) * config_.n_kv_heads + h) * width;
      for (size_t g = 0; g < group(); ++g) rows.load(row++, heads + g * head_dim, call.cache.layout());
    }
  }
}

void Attention::store(const Call& call, const Task& task, const AttentionResult& result) const {
  const size_t head_dim = config_.head_dim, stride = call.cache.layout().value_stride;
  size_t row = 0;
  for (uint32_t h = task.heads.begin; h < task.heads.end; ++h) {
    for (const uint32_t token : task.queries->tokens) {
      float* heads = call.out + (size_t(token) * config_.n_kv_heads + h) * group() * head_dim;
      for (size_t g = 0; g < group(); ++g, ++row) {
        vector_ops().scale(&result.out[row * stride], 1.0f / result.sum[row], heads + g * head_dim, head_dim);
      }
    }
  }
}

void Attention::attend_chunk(const Call& call, const Task& task, uint32_t chunk, AttentionRows& rows,
                             AttentionResult& result) const {
  const KvLayout& layout = call.cache.layout();
  const QueryBlock& queries = *task.queries;
  const uint32_t tokens = uint32_t(queries.tokens.size());
  const uint32_t end = std::min((chunk + 1) * kChunk, queries.first_position + tokens);
  const uint32_t begin = std::max(chunk * kChunk, window_begin(queries.first_position));
  result.clear(rows_of(task), layout.value_stride);
  thread_local std::vector<View> views;
  for (uint32_t index = begin / kKvBlock; index * kKvBlock < end; ++index) {
    const uint32_t block = index * kKvBlock;
    // The tokens that see something of the block are neighbours.
    size_t first = 0;
    views.clear();
    for (uint32_t token = 0; token < tokens; ++token) {
      const uint32_t position = queries.first_position + token;
      const uint32_t from = std::max(block, window_begin(position));
      const uint32_t to = std::min(block + kKvBlock, position + 1);
      if (from < to) {
        views.push_back({from - block, to - block});
      } else if (views.empty()) {
        ++first;
      }
    }
    if (views.empty()) continue;
    // The blocks of neighbouring heads follow each other in memory.
    for (uint32_t h = task.heads.begin; h < task.heads.end; ++h) {
      const size_t row = ((h - task.heads.begin) * tokens + first) * group();
      rows.attend(layout, call.cache.block(call.layer, queries.sequence, h, index), row, views, group(),
                  result);
    }
  }
}

void Attention::add_tasks(const QueryBlock& queries, Heads heads, bool split) {
  const Chunks range = chunks(queries);
  if (!split) {
    tasks_.push_back({&queries, heads, range});
    return;
  }
  const size_t first_part = parts_;
  for (uint32_t chunk = range.begin; chunk < range.end; ++chunk) {
    tasks_.push_back(
        {&queries, heads, {chunk, chunk + 1}, groups_, range.end - range.begin, first_part, parts_++});
  }
  ++groups_;
}

void Attention::plan(const Call& call, size_t threads) {
  tasks_.clear();
  groups_ = 0;
  parts_ = 2 * threads;
  const uint32_t kv_heads = config_.n_kv_heads;
  const size_t wanted = threads == 1 ? 1 : kTasksPerThread * threads;
  const bool split = call.blocks.size() * kv_heads < wanted;
  // One token reads each block once: heads that lie side by side go together, as many as leave enough
  // tasks, since memory is read faster in long runs. Several tokens find a head's blocks in the caches.
  size_t single = 0;
  for (const QueryBlock& queries : call.blocks) {
    if (queries.tokens.size() == 1) single += kv_heads * (chunks(queries).end - chunks(queries).begin);
  }
  const uint32_t most = uint32_t(std::clamp<size_t>(single / wanted, 1, query_tokens()));
  // Blocks of one head follow each other, so that its keys stay in cache; late positions, which have the
  // most keys, come first, so that no thread ends with a long task.
  for (uint32_t h = 0; h < kv_heads; ++h) {
    for (size_t b = call.blocks.size(); b-- > 0;) {
      const QueryBlock& queries = call.blocks[b];
      if (queries.tokens.size() > 1) {
        add_tasks(queries, {h, h + 1}, split);
      } else if (h % most == 0) {
        add_tasks(queries, {h, std::min(h + most, kv_heads)}, threads > 1);
      }
    }
  }
}

void Attention::run_task(const Call& call, const Task& task, size_t thread) {
  const size_t stride = call.cache.layout().value_stride;
  AttentionRows& rows = rows_[thread];
  load(call, task, rows);
  if (task.parts == 0) {
    AttentionResult &result = results_[2 * thread], &part = results_[2 * thread + 1];
    attend_chunk(call, task, task.chunks.begin, rows, result);
    for (uint32_t chunk = task.chunks.begin + 1; chunk < task.chunks.end; ++chunk) {
      attend_chunk(call, task, chunk, rows, part);
      result.merge(part, rows_of(task), stride);
    }
    store(call, task, result);
    return;
  }
  attend_chunk(call, task, task.chunks.begin, rows, results_[task.part]);
  if (pending_[task.group].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  AttentionResult& result = results_[task.first_part];
  for (size_t i = 1; i < task.parts; ++i) {
    result.merge(results_[task.first_part + i], rows_of(task), stride);
  }
  store(call, task, result);
}

void Attention::run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
                    float* out, ThreadPool& pool) {
  const Call call{cache, layer, blocks, q, out};
  const size_t threads = size_t(pool.size()), most_rows = query_tokens() * group();
  plan(call, threads);
  rows_.resize(threads);
  for (AttentionRows& rows : rows_) rows.resize(most_rows, cache.layout());
  if (results_.size() < parts_) results_.resize(parts_);
  for (size_t i = 0; i < 2 * threads; ++i) results_[i].resize(most_rows, cache.layout().value_stride);
  if (pending_size_ < groups_) {
    pending_ = std::make_unique<std::atomic<uint32_t>[]>(groups_);
    pending_size_ = groups_;
  }
  for (const Task& task : tasks_) {
    if (task.parts == 0) continue;
    results_[task.part].resize(rows_of(task), cache.layout().value_stride);
    pending_[task.group].store(task.parts, std::memory_order_relaxed);
  }
  pool.parallel_for(tasks_.size(), 1, [&](size_t begin, size_t end, int thread) {
    for (size_t i = begin; i < end; ++i) run_task(call, tasks_[i], size_t(thread));
  });
}

}  // namespace nibble
