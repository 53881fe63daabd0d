#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear.h"
#include "model/checkpoint.h"

namespace nibble {

/// The weights of one layer, ready for the kernels. Shapes are [outputs, inputs].
struct LayerWeights {
  std::vector<float> attention_norm;  // [hidden]
  Linear q, k, v;                     // [n_heads * head_dim, hidden], [n_kv_heads * head_dim, hidden] twice
  std::vector<float> q_bias, k_bias, v_bias, output_bias;  // empty when the architecture has none
  std::vector<float> q_norm, k_norm;  // [head_dim], empty when the architecture has none
  Linear attention_output;            // [hidden, n_heads * head_dim]
  std::vector<float> ffn_norm;        // [hidden]
  Linear gate, up;                    // [ffn, hidden]
  Linear down;                        // [hidden, ffn]
};

/// A model whose weights are packed and ready to run. Immutable, so sessions share it.
class Model {
 public:
  static std::shared_ptr<const Model> load(std::shared_ptr<const Checkpoint> checkpoint, ThreadPool& pool);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  /// Bytes of weights in memory: mapped ones that are read and packed ones that are owned.
  uint64_t weight_bytes() const;

  Linear embedding;                // [vocab, hidden]
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;  // [hidden]
  const Linear& output() const { return config().tied_embeddings ? embedding : output_; }  // [vocab, hidden]

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  Linear output_;
};

}  // namespace nibble
