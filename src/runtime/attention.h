#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/model_config.h"
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
/// softmax. Blocks of keys begin at multiples of kKeyBlock positions and each query takes the same steps
/// in the same order alone as in company, so that a token's result depends on nothing but its sequence.
class Attention {
 public:
  /// Keeps a reference to the config.
  explicit Attention(const ModelConfig& config) : config_(config) {}

  /// Most tokens of a QueryBlock.
  size_t query_tokens() const;
  /// q and out [tokens, n_heads * head_dim]; the keys and values of the tokens are in the cache already.
  void run(const KvCache& cache, uint32_t layer, std::span<const QueryBlock> blocks, const float* q,
           float* out, ThreadPool& pool);

  static constexpr uint32_t kKeyBlock = 64;  ///< a multiple of kKeyPanel

 private:
  struct Scratch {
    std::vector<float> queries;            // [rows, head_dim], scaled by 1 / sqrt(head_dim)
    std::vector<float> scores;             // [rows, kKeyBlock]
    std::vector<float> out;                // [rows, value_stride]
    std::vector<float> max, sum, rescale;  // [rows]
  };
  struct Head;

  void run_task(const Head& head, const QueryBlock& queries, const float* q, float* out, Scratch& s) const;
  /// Queries [first, last) see the positions [from, to) of the block of keys that begins at `block`.
  void attend(const Head& head, uint32_t first, uint32_t last, uint32_t block, uint32_t from, uint32_t to,
              Scratch& s) const;
  void load_queries(const Head& head, const QueryBlock& queries, const float* q, Scratch& s) const;
  void store_outputs(const Head& head, const QueryBlock& queries, float* out, const Scratch& s) const;
  size_t group() const { return config_.n_heads / config_.n_kv_heads; }  ///< query heads of a key head
  /// The first position that the query at `position` sees.
  uint32_t window_begin(uint32_t position) const;

  const ModelConfig& config_;
  std::vector<Scratch> scratch_;  // one per thread
};

}  // namespace nibble
