#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/float_operand.h"
#include "model/model_config.h"

namespace nibble {

/// Causal attention with grouped queries over whole sequences, and its gradient. Holds the probabilities,
/// [sequences, n_heads, length, length].
class AttentionGradient {
 public:
  AttentionGradient(const ModelConfig& config, size_t sequences, size_t length);

  /// Queries and out [n_heads, tokens, head_dim], keys and values [n_kv_heads, tokens, head_dim], with the
  /// tokens of all sequences one after the other. The inputs must live until backward() is done.
  void forward(const float* q, const float* k, const float* v, float* out, ThreadPool& pool);
  /// From the gradient by `out` those by the inputs, in the same shapes.
  void backward(const float* out_gradient, float* q_gradient, float* k_gradient, float* v_gradient,
                ThreadPool& pool);

 private:
  /// Of one sequence: where a head of a [heads, tokens, head_dim] array begins.
  size_t at(size_t head, size_t sequence) const { return (head * sequences_ + sequence) * length_ * dim_; }
  float* probabilities(size_t head, size_t sequence) {
    return &probabilities_[(sequence * n_heads_ + head) * length_ * length_];
  }
  void softmax(float* scores, ThreadPool& pool) const;
  void head_backward(size_t head, size_t sequence, const float* out_gradient, float* q_gradient,
                     ThreadPool& pool);

  size_t n_heads_, group_, dim_, sequences_, length_, window_;
  const float *q_ = nullptr, *k_ = nullptr, *v_ = nullptr;
  std::vector<float> probabilities_;
  std::vector<float> scores_, turned_;        // [length, length]
  std::vector<float> key_part_, value_part_;  // [length, head_dim], what one query head adds
  FloatOperand keys_, values_, operand_;
};

}  // namespace nibble
