#include "calibrate/attention_gradient.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/vector_ops.h"

namespace nibble {

namespace {

constexpr size_t kRows = 16;  ///< of scores, that a thread takes at a time

}  // namespace

AttentionGradient::AttentionGradient(const ModelConfig& config, size_t sequences, size_t length)
    : n_heads_(config.n_heads),
      group_(config.n_heads / config.n_kv_heads),
      dim_(config.head_dim),
      sequences_(sequences),
      length_(length),
      window_(config.sliding_window != 0 ? config.sliding_window : length),
      probabilities_(sequences * n_heads_ * length * length),
      scores_(length * length),
      turned_(length * length),
      key_part_(length * dim_),
      value_part_(length * dim_) {}

/// Rows of scores to probabilities: each sees itself and the window before it, and what it does not is 0.
void AttentionGradient::softmax(float* scores, ThreadPool& pool) const {
  const float factor = 1.0f / std::sqrt(float(dim_));
  pool.parallel_for(length_, kRows, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      float* row = scores + i * length_;
      const size_t first = i + 1 > window_ ? i + 1 - window_ : 0, count = i + 1 - first;
      float most = -std::numeric_limits<float>::infinity(), sum = 0;
      std::fill(row, row + first, 0.0f);
      vector_ops().scale(row + first, factor, row + first, count);
      vector_ops().softmax_step(row + first, count, &most, &sum);
      vector_ops().scale(row + first, 1.0f / sum, row + first, count);
      std::fill(row + i + 1, row + length_, 0.0f);
    }
  });
}

void AttentionGradient::forward(const float* q, const float* k, const float* v, float* out,
                                ThreadPool& pool) {
  q_ = q;
  k_ = k;
  v_ = v;
  for (size_t s = 0; s < sequences_; ++s) {
    for (size_t head = 0; head < n_heads_; ++head) {
      if (head % group_ == 0) {
        keys_.pack(k + at(head / group_, s), length_, dim_, pool);
        values_.pack_transposed(v + at(head / group_, s), length_, dim_, pool);
      }
      float* p = probabilities(head, s);
      keys_.multiply(q + at(head, s), length_, p, pool);
      softmax(p, pool);
      values_.multiply(p, length_, out + at(head, s), pool);
    }
  }
}

void AttentionGradient::backward(const float* out_gradient, float* q_gradient, float* k_gradient,
                                 float* v_gradient, ThreadPool& pool) {
  const size_t size = length_ * dim_;
  for (size_t s = 0; s < sequences_; ++s) {
    for (size_t head = 0; head < n_heads_; ++head) {
      float *dk = k_gradient + at(head / group_, s), *dv = v_gradient + at(head / group_, s);
      if (head % group_ == 0) {
        keys_.pack_transposed(k_ + at(head / group_, s), length_, dim_, pool);
        values_.pack(v_ + at(head / group_, s), length_, dim_, pool);
        std::fill_n(dk, size, 0.0f);
        std::fill_n(dv, size, 0.0f);
      }
      head_backward(head, s, out_gradient + at(head, s), q_gradient + at(head, s), pool);
      vector_ops().add(dk, key_part_.data(), size);
      vector_ops().add(dv, value_part_.data(), size);
    }
  }
}

/// With S = factor Q K^T, P = softmax(S), O = P V: dV = P^T dO, dP = dO V^T,
/// dS = P (dP - sum over keys of P dP), dQ = factor dS K, dK = factor dS^T Q.
void AttentionGradient::head_backward(size_t head, size_t sequence, const float* out_gradient,
                                      float* q_gradient, ThreadPool& pool) {
  const float* p = probabilities(head, sequence);
  transpose(p, length_, length_, turned_.data(), pool);
  operand_.pack_transposed(out_gradient, length_, dim_, pool);
  operand_.multiply(turned_.data(), length_, value_part_.data(), pool);

  values_.multiply(out_gradient, length_, scores_.data(), pool);
  const float factor = 1.0f / std::sqrt(float(dim_));
  pool.parallel_for(length_, kRows, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      float* row = &scores_[i * length_];
      const float* weights = p + i * length_;
      float sum = 0;
      for (size_t j = 0; j <= i; ++j) sum += weights[j] * row[j];
      for (size_t j = 0; j <= i; ++j) row[j] = factor * weights[j] * (row[j] - sum);
      std::fill(row + i + 1, row + length_, 0.0f);
    }
  });
  keys_.multiply(scores_.data(), length_, q_gradient, pool);

  transpose(scores_.data(), length_, length_, turned_.data(), pool);
  operand_.pack_transposed(q_ + at(head, sequence), length_, dim_, pool);
  operand_.multiply(turned_.data(), length_, key_part_.data(), pool);
}

}  // namespace nibble
