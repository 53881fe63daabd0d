#include "calibrate/layer_gradient.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "calibrate/norm_gradient.h"
#include "kernels/vector_ops.h"
#include "runtime/layer.h"

namespace nibble {

LayerGradient::LayerGradient(const ModelConfig& config, LayerWeights vectors, Weights weights,
                             size_t sequences, size_t length, ThreadPool& pool)
    : config_(config),
      pool_(pool),
      vectors_(std::move(vectors)),
      length_(length),
      tokens_(sequences * length),
      rope_(config),
      attention_(config, sequences, length),
      weights_(std::move(weights)) {
  const size_t hidden = config.hidden, ffn = config.ffn;
  const size_t q_width = size_t(config.n_heads) * config.head_dim;
  const size_t kv_width = size_t(config.n_kv_heads) * config.head_dim;
  shapes_ = {{{q_width, hidden},
              {kv_width, hidden},
              {kv_width, hidden},
              {hidden, q_width},
              {ffn, hidden},
              {ffn, hidden},
              {hidden, ffn}}};
  static const std::vector<float> kNone;
  set_heads(q_, config.n_heads, vectors_.q_bias, vectors_.q_norm);
  set_heads(k_, config.n_kv_heads, vectors_.k_bias, vectors_.k_norm);
  set_heads(v_, config.n_kv_heads, vectors_.v_bias, kNone);
  for (std::vector<float>* states : {&normed_, &middle_, &ffn_normed_, &out_, &residual_, &delta_}) {
    states->resize(tokens_ * hidden);
  }
  for (std::vector<float>* states : {&attended_, &attended_heads_}) states->resize(tokens_ * q_width);
  for (std::vector<float>* states : {&gate_, &up_, &sigmoid_, &gated_, &wide_delta_}) {
    states->resize(tokens_ * ffn);
  }
  set_angles();
}

void LayerGradient::set_heads(Heads& h, size_t count, const std::vector<float>& bias,
                              const std::vector<float>& norm) {
  h.count = count;
  h.bias = &bias;
  h.norm = &norm;
  const size_t size = tokens_ * count * config_.head_dim;
  for (std::vector<float>* values : {&h.raw, &h.heads, &h.gradient}) values->resize(size);
  if (!norm.empty()) h.before.resize(size);
}

void LayerGradient::set_angles() {
  const size_t pairs = rope_.pairs();
  const std::vector<double> frequencies = rope_.frequencies(uint32_t(length_));
  for (std::vector<float>* table : {&cosines_, &sines_, &minus_sines_}) table->resize(length_ * pairs);
  for (size_t t = 0; t < length_; ++t) {
    rope_.angles(frequencies, uint32_t(t), &cosines_[t * pairs], &sines_[t * pairs]);
  }
  std::transform(sines_.begin(), sines_.end(), minus_sines_.begin(), std::negate<>());
}

const float* LayerGradient::load(LayerMatrix which) {
  matrix_.resize(std::max(matrix_.size(), shape(which).rows * shape(which).cols));
  weights_(which, matrix_.data());
  return matrix_.data();
}

void LayerGradient::multiply(LayerMatrix which, const float* x, float* y) {
  operand_.pack(load(which), shape(which).rows, shape(which).cols, pool_);
  operand_.multiply(x, tokens_, y, pool_);
}

void LayerGradient::multiply_back(LayerMatrix which, const float* y_gradient, float* x_gradient) {
  operand_.pack_transposed(load(which), shape(which).rows, shape(which).cols, pool_);
  operand_.multiply(y_gradient, tokens_, x_gradient, pool_);
}

/// The input [tokens, cols] of the products whose gradients follow.
void LayerGradient::set_input(const float* x, size_t cols) {
  if (by_ == By::matrices) input_.pack_transposed(x, tokens_, cols, pool_);
}

/// The gradient by W of y = x W^T is dy^T x.
void LayerGradient::send_gradient(LayerMatrix which, const float* y_gradient, Receiver receive) {
  if (by_ == By::products) return receive(which, y_gradient);
  const Shape& m = shape(which);
  turned_.resize(std::max(turned_.size(), tokens_ * m.rows));
  gradient_.resize(std::max(gradient_.size(), m.rows * m.cols));
  transpose(y_gradient, tokens_, m.rows, turned_.data(), pool_);
  input_.multiply(turned_.data(), m.rows, gradient_.data(), pool_);
  receive(which, gradient_.data());
}

void LayerGradient::normalize(const float* x, const std::vector<float>& weight, float* y) {
  const size_t hidden = weight.size();
  pool_.parallel_for(tokens_, rows_per_task(hidden), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      vector_ops().rms_norm(x + t * hidden, weight.data(), config_.norm_eps, y + t * hidden, hidden);
    }
  });
}

void LayerGradient::add_norm_gradient(const float* x, const std::vector<float>& weight,
                                      const float* y_gradient, float* x_gradient) {
  const size_t n = weight.size();
  pool_.parallel_for(tokens_, rows_per_task(n), [&](size_t begin, size_t end) {
    std::vector<float> row(n);
    for (size_t t = begin; t < end; ++t) {
      norm_gradient(x + t * n, weight.data(), config_.norm_eps, y_gradient + t * n, n, row.data());
      vector_ops().add(x_gradient + t * n, row.data(), n);
    }
  });
}

/// From a product to heads: bias, norm of each head, and rotation by the token's position.
void LayerGradient::split_heads(Heads& h, bool rotated) {
  const size_t dim = config_.head_dim, width = h.count * dim, pairs = rope_.pairs();
  pool_.parallel_for(tokens_, rows_per_task(width), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      float* row = &h.raw[t * width];
      if (!h.bias->empty()) vector_ops().add(row, h.bias->data(), width);
      const size_t angle = t % length_ * pairs;
      for (size_t i = 0; i < h.count; ++i) {
        const size_t at = (i * tokens_ + t) * dim;
        float* head = &h.heads[at];
        std::copy_n(row + i * dim, dim, head);
        if (!h.norm->empty()) {
          std::copy_n(head, dim, &h.before[at]);
          vector_ops().rms_norm(head, h.norm->data(), config_.norm_eps, head, dim);
        }
        if (rotated) rope_.rotate(head, &cosines_[angle], &sines_[angle]);
      }
    }
  });
}

/// The way back of split_heads(): from `gradient` to the gradient by the product, in `raw`. A rotation's
/// transpose is the one by the opposite angle.
void LayerGradient::join_gradients(Heads& h, bool rotated) {
  const size_t dim = config_.head_dim, width = h.count * dim, pairs = rope_.pairs();
  pool_.parallel_for(tokens_, rows_per_task(width), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const size_t angle = t % length_ * pairs;
      for (size_t i = 0; i < h.count; ++i) {
        const size_t at = (i * tokens_ + t) * dim;
        float *head = &h.gradient[at], *out = &h.raw[t * width + i * dim];
        if (rotated) rope_.rotate(head, &cosines_[angle], &minus_sines_[angle]);
        if (h.norm->empty()) {
          std::copy_n(head, dim, out);
        } else {
          norm_gradient(&h.before[at], h.norm->data(), config_.norm_eps, head, dim, out);
        }
      }
    }
  });
}

const float* LayerGradient::forward(const float* x) {
  x_ = x;
  normalize(x, vectors_.attention_norm, normed_.data());
  multiply(LayerMatrix::q, normed_.data(), q_.raw.data());
  multiply(LayerMatrix::k, normed_.data(), k_.raw.data());
  multiply(LayerMatrix::v, normed_.data(), v_.raw.data());
  split_heads(q_, true);
  split_heads(k_, true);
  split_heads(v_, false);
  attention_.forward(q_.heads.data(), k_.heads.data(), v_.heads.data(), attended_heads_.data(), pool_);
  join_heads(attended_heads_.data(), attended_.data());
  multiply(LayerMatrix::attention_output, attended_.data(), middle_.data());
  add_residual(x, vectors_.output_bias, middle_.data());
  feed_forward();
  return out_.data();
}

void LayerGradient::join_heads(const float* heads, float* rows) {
  const size_t dim = config_.head_dim, count = config_.n_heads;
  pool_.parallel_for(tokens_, rows_per_task(count * dim), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      for (size_t i = 0; i < count; ++i) {
        std::copy_n(heads + (i * tokens_ + t) * dim, dim, rows + (t * count + i) * dim);
      }
    }
  });
}

/// y += x + bias, [tokens, hidden].
void LayerGradient::add_residual(const float* x, const std::vector<float>& bias, float* y) {
  const size_t hidden = config_.hidden;
  pool_.parallel_for(tokens_, rows_per_task(hidden), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      vector_ops().add(y + t * hidden, x + t * hidden, hidden);
      if (!bias.empty()) vector_ops().add(y + t * hidden, bias.data(), hidden);
    }
  });
}

void LayerGradient::feed_forward() {
  normalize(middle_.data(), vectors_.ffn_norm, ffn_normed_.data());
  multiply(LayerMatrix::gate, ffn_normed_.data(), gate_.data());
  multiply(LayerMatrix::up, ffn_normed_.data(), up_.data());
  const size_t ffn = config_.ffn;
  pool_.parallel_for(tokens_, rows_per_task(ffn), [&](size_t begin, size_t end) {
    for (size_t i = begin * ffn; i < end * ffn; ++i) {
      sigmoid_[i] = 1.0f / (1.0f + std::exp(-gate_[i]));
      gated_[i] = gate_[i] * sigmoid_[i] * up_[i];
    }
  });
  multiply(LayerMatrix::down, gated_.data(), out_.data());
  add_residual(middle_.data(), {}, out_.data());
}

void LayerGradient::backward(const float* output_gradient, Receiver receive) {
  begin_way_back(By::matrices, output_gradient);
  feed_forward_backward(receive);
  attention_backward(receive);
}

const float* LayerGradient::backward_by_products(const float* output_gradient, Receiver receive) {
  begin_way_back(By::products, output_gradient);
  feed_forward_backward(receive);
  attention_backward(receive);
  return input_gradient();
}

void LayerGradient::begin_way_back(By by, const float* output_gradient) {
  by_ = by;
  std::copy_n(output_gradient, residual_.size(), residual_.begin());
}

/// silu(g) = g s with s = sigmoid(g), and its derivative is s (1 + g (1 - s)).
void LayerGradient::feed_forward_backward(Receiver receive) {
  multiply_back(LayerMatrix::down, residual_.data(), wide_delta_.data());
  set_input(gated_.data(), config_.ffn);
  send_gradient(LayerMatrix::down, residual_.data(), receive);
  const size_t ffn = config_.ffn;
  pool_.parallel_for(tokens_, rows_per_task(ffn), [&](size_t begin, size_t end) {
    for (size_t i = begin * ffn; i < end * ffn; ++i) {
      const float g = gate_[i], s = sigmoid_[i], d = wide_delta_[i];
      gate_[i] = d * up_[i] * s * (1.0f + g * (1.0f - s));
      up_[i] = d * g * s;
    }
  });
  std::vector<float>& ffn_normed_gradient = out_;
  multiply_back(LayerMatrix::gate, gate_.data(), ffn_normed_gradient.data());
  multiply_back(LayerMatrix::up, up_.data(), delta_.data());
  add_residual(delta_.data(), {}, ffn_normed_gradient.data());
  set_input(ffn_normed_.data(), config_.hidden);
  send_gradient(LayerMatrix::gate, gate_.data(), receive);
  send_gradient(LayerMatrix::up, up_.data(), receive);
  add_norm_gradient(middle_.data(), vectors_.ffn_norm, ffn_normed_gradient.data(), residual_.data());
}

void LayerGradient::attention_backward(Receiver receive) {
  const size_t dim = config_.head_dim, q_width = config_.n_heads * dim;
  std::vector<float>& attended_gradient = q_.raw;
  multiply_back(LayerMatrix::attention_output, residual_.data(), attended_gradient.data());
  set_input(attended_.data(), q_width);
  send_gradient(LayerMatrix::attention_output, residual_.data(), receive);
  pool_.parallel_for(tokens_, rows_per_task(q_width), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      for (size_t i = 0; i < config_.n_heads; ++i) {
        std::copy_n(&attended_gradient[t * q_width + i * dim], dim,
                    &attended_heads_[(i * tokens_ + t) * dim]);
      }
    }
  });
  attention_.backward(attended_heads_.data(), q_.gradient.data(), k_.gradient.data(), v_.gradient.data(),
                      pool_);
  join_gradients(q_, true);
  join_gradients(k_, true);
  join_gradients(v_, false);
  set_input(normed_.data(), config_.hidden);
  send_gradient(LayerMatrix::q, q_.raw.data(), receive);
  send_gradient(LayerMatrix::k, k_.raw.data(), receive);
  send_gradient(LayerMatrix::v, v_.raw.data(), receive);
}

/// After attention_backward(), which leaves the gradients by query, key and value.
const float* LayerGradient::input_gradient() {
  std::vector<float>& normed_gradient = out_;
  multiply_back(LayerMatrix::q, q_.raw.data(), normed_gradient.data());
  for (const auto& [which, heads] : {std::pair(LayerMatrix::k, &k_), std::pair(LayerMatrix::v, &v_)}) {
    multiply_back(which, heads->raw.data(), delta_.data());
    add_residual(delta_.data(), {}, normed_gradient.data());
  }
  add_norm_gradient(x_, vectors_.attention_norm, normed_gradient.data(), residual_.data());
  return residual_.data();
}

}  // namespace nibble
