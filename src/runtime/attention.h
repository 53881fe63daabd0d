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

  static constexpr uint32_t kKeyBlock = 64;

 private:
  struct Scratch {
    std::vector<float> queries;            // [rows, stride], scaled by 1 / sqrt(head_dim)
    std::vector<float> keys, values;       // [kKeyBlock, stride], of caches that are not float32
    std::vector<float> scores;             // [rows, kKeyBlock]
    std::vector<float> out;                // [rows, stride]
    std::vector<float> max, sum, rescale;  // [rows]
  };

  void run_block(const KvCache& cache, uint32_t layer, uint32_t kv_head, const QueryBlock& block,
                 const float* q, float* out, Scratch& s) const;
  void resize(Scratch& s, size_t stride) const;
  void load_queries(const QueryBlock& block, uint32_t kv_head, size_t stride, const float* q,
                    Scratch& s) const;
  void store_outputs(const QueryBlock& block, uint32_t kv_head, size_t stride, float* out,
                     const Scratch& s) const;
  /// The first position that the query at `position` sees.
  uint32_t window_begin(uint32_t position) const;

  const ModelConfig& config_;
  std::vector<Scratch> scratch_;  // one per thread
};

}  // namespace nibble
