#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/model_config.h"
#include "runtime/attention_rows.h"
#include "runtime/kv_cache.h"

namespace nibble {

/// Tokens of one sequence at consecutive positions, whose queries read the keys together.
struct QueryBlock {
  uint32_t sequence = 0;
  uint32_t first_position = 0;
  std::span<const uint32_t> tokens;  ///< their rows in q and out
};

/// Causal attention with grouped queries (Ainslie et al. 2023) over the cache, without materializing the
/// scores (Dao et al. 2022): the keys are read in blocks, once for all queries of a task, with an online
/// softmax. It begins anew at multiples of kChunk positions, and the results of chunks are merged in their
/// order: so threads may share a long sequence out, and a token's result depends on nothing but its
/// sequence, whoever computes it and in whatever company.
class Attention {
 public:
  /// Keeps a reference to the config.
  explicit Attention(const ModelConfig& config) : config_(config) {}

  /// Most tokens of a QueryBlock.
  size_t query_tokens() const;
  /// q and out [tokens, n_heads * head_dim]; the keys and values of the tokens are in the cache already.
  void run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
           float* out, ThreadPool& pool);

  /// Positions, a multiple of kKvBlock: enough work to hand to a thread and to make merging cheap.
  static constexpr uint32_t kChunk = 512;

 private:
  struct Call;
  struct Heads {
    uint32_t begin, end;  ///< key heads
  };
  struct Chunks {
    uint32_t begin, end;
  };
  /// Work for one thread: queries of some key heads over some chunks.
  struct Task {
    const QueryBlock* queries;
    Heads heads;
    Chunks chunks;
    // Tasks of the same queries and heads, each with a chunk of its own, which the last to end merges.
    uint32_t group = 0;     ///< index in pending_
    uint32_t parts = 0;     ///< 0: this task has all chunks
    size_t first_part = 0;  ///< index of the first one's result in results_
    size_t part = 0;        ///< of this one's
  };

  void plan(const Call& call, size_t threads);
  void add_tasks(const QueryBlock& queries, Heads heads, bool split);
  void run_task(const Call& call, const Task& task, size_t thread);
  /// Queries of key heads over the positions of a chunk. `rows` are [heads, tokens, group].
  void attend_chunk(const Call& call, const Task& task, uint32_t chunk, AttentionRows& rows,
                    AttentionResult& result) const;
  void load(const Call& call, const Task& task, AttentionRows& rows) const;
  void store(const Call& call, const Task& task, const AttentionResult& result) const;
  size_t group() const { return config_.n_heads / config_.n_kv_heads; }  ///< query heads of a key head
  size_t rows_of(const Task& task) const {
    return (task.heads.end - task.heads.begin) * task.queries->tokens.size() * group();
  }
  /// The first position that the query at `position` sees.
  uint32_t window_begin(uint32_t position) const;
  /// The chunks that some query sees.
  Chunks chunks(const QueryBlock& queries) const;

  const ModelConfig& config_;
  std::vector<Task> tasks_;
  std::vector<AttentionRows> rows_;                   // one per thread
  std::vector<AttentionResult> results_;              // two per thread, then one per part
  std::unique_ptr<std::atomic<uint32_t>[]> pending_;  // parts to come of each group of tasks
  uint32_t groups_ = 0;
  size_t parts_ = 0, pending_size_ = 0;
};

}  // namespace nibble
