#include "runtime/layer.h"

#include <algorithm>

#include "base/profile.h"
#include "kernels/vector_ops.h"

namespace nibble {

size_t rows_per_task(size_t width) {
  // Some microseconds of work, as long as it takes to hand a task to another thread.
  constexpr size_t kElements = 16384;
  return std::max<size_t>(1, kElements / std::max<size_t>(1, width));
}

void normalize(const float* x, const std::vector<float>& weight, float eps, size_t tokens, float* y,
               ThreadPool& pool) {
  const size_t width = weight.size();
  pool.parallel_for(tokens, rows_per_task(width), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      vector_ops().rms_norm(x + t * width, weight.data(), eps, y + t * width, width);
    }
  });
}

namespace {

void add_bias(float* x, const std::vector<float>& bias) {
  if (!bias.empty()) vector_ops().add(x, bias.data(), bias.size());
}

void normalize_heads(float* heads, size_t n_heads, const std::vector<float>& weight, float eps) {
  if (weight.empty()) return;
  for (size_t h = 0; h < n_heads; ++h) {
    float* head = heads + h * weight.size();
    vector_ops().rms_norm(head, weight.data(), eps, head, weight.size());
  }
}

/// From the products to what attention reads: biases, norms of query and key heads, rotation by the
/// token's position, and the key and value in the cache.
void place_in_sequence(const ModelConfig& config, const LayerWeights& w, uint32_t layer, const Slice& slice,
                       const Rope& rope, KvCache& cache, Buffers& b, ThreadPool& pool) {
  const size_t head_dim = config.head_dim;
  const size_t q_width = config.n_heads * head_dim, kv_width = config.n_kv_heads * head_dim;
  pool.parallel_for(slice.tokens(), rows_per_task(q_width + 2 * kv_width), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      float* q = &b.q[t * q_width];
      float* k = &b.k[t * kv_width];
      float* v = &b.v[t * kv_width];
      add_bias(q, w.q_bias);
      add_bias(k, w.k_bias);
      add_bias(v, w.v_bias);
      normalize_heads(q, config.n_heads, w.q_norm, config.norm_eps);
      normalize_heads(k, config.n_kv_heads, w.k_norm, config.norm_eps);
      for (size_t h = 0; h < config.n_heads; ++h)
        rope.rotate(q + h * head_dim, slice.cosines(t), slice.sines(t));
      for (size_t h = 0; h < config.n_kv_heads; ++h) {
        rope.rotate(k + h * head_dim, slice.cosines(t), slice.sines(t));
      }
      cache.append(layer, slice.place(t).sequence, slice.place(t).position, k, v);
    }
  });
}

/// x += delta + bias, [tokens, hidden].
void add_residual(Buffers& b, const std::vector<float>& bias, size_t tokens, size_t hidden,
                  ThreadPool& pool) {
  pool.parallel_for(tokens, rows_per_task(hidden), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      vector_ops().add(&b.x[t * hidden], &b.delta[t * hidden], hidden);
      add_bias(&b.x[t * hidden], bias);
    }
  });
}

/// gate = silu(gate) * up, `count` elements.
void swiglu(Buffers& b, size_t count, ThreadPool& pool) {
  pool.parallel_for(count, rows_per_task(1), [&](size_t begin, size_t end) {
    vector_ops().silu_multiply(&b.gate[begin], &b.up[begin], end - begin);
  });
}

}  // namespace

void run_layer(const Model& model, uint32_t layer, const Slice& slice, const Rope& rope, Attention& attention,
               KvCache& cache, Buffers& b, ThreadPool& pool) {
  const ModelConfig& config = model.config();
  const LayerWeights& w = model.layers()[layer];
  const size_t tokens = slice.tokens(), hidden = config.hidden, ffn = config.ffn;
  const size_t q_width = size_t(config.n_heads) * config.head_dim;
  const size_t kv_width = size_t(config.n_kv_heads) * config.head_dim;
  Activations& input = b.activations;

  // Attention: x += W_o attention(rope(W_q n), rope(W_k n), W_v n), n = norm(x).
  OperationTimer timer(Operation::norm);
  normalize(b.x.data(), w.attention_norm, config.norm_eps, tokens, b.normed.data(), pool);
  input.set(b.normed.data(), tokens, hidden);
  timer.next(Operation::qkv);
  w.q.multiply(input, b.q.data(), q_width, pool);
  w.k.multiply(input, b.k.data(), kv_width, pool);
  w.v.multiply(input, b.v.data(), kv_width, pool);
  timer.next(Operation::rope_cache);
  place_in_sequence(config, w, layer, slice, rope, cache, b, pool);
  timer.next(Operation::attention);
  attention.run(cache, layer, slice.blocks(), b.q.data(), b.attended.data(), pool);
  input.set(b.attended.data(), tokens, q_width);
  timer.next(Operation::attention_output);
  w.attention_output.multiply(input, b.delta.data(), hidden, pool);
  timer.next(Operation::residual);
  add_residual(b, w.output_bias, tokens, hidden, pool);

  // Feed-forward: x += W_down (silu(W_gate n) * W_up n), n = norm(x).
  timer.next(Operation::norm);
  normalize(b.x.data(), w.ffn_norm, config.norm_eps, tokens, b.normed.data(), pool);
  input.set(b.normed.data(), tokens, hidden);
  timer.next(Operation::gate_up);
  w.gate.multiply(input, b.gate.data(), ffn, pool);
  w.up.multiply(input, b.up.data(), ffn, pool);
  timer.next(Operation::silu);
  swiglu(b, tokens * ffn, pool);
  input.set(b.gate.data(), tokens, ffn);
  timer.next(Operation::down);
  w.down.multiply(input, b.delta.data(), hidden, pool);
  timer.next(Operation::residual);
  add_residual(b, {}, tokens, hidden, pool);
}

}  // namespace nibble
