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

/// x += W a + bias; x is the residual stream [tokens, hidden].
void multiply_into_residual(const Linear& weights, const std::vector<float>& bias, Buffers& b, size_t tokens,
                            size_t hidden, ThreadPool& pool) {
  const Linear::Product product{&weights, b.delta.data(), hidden};
  Linear::multiply_then({&product, 1}, b.activations, pool, [&](size_t begin, size_t end) {
    for (size_t t = 0; t < tokens; ++t) {
      float* x = &b.x[t * hidden];
      vector_ops().add(x + begin, &b.delta[t * hidden + begin], end - begin);
      if (!bias.empty()) vector_ops().add(x + begin, bias.data() + begin, end - begin);
    }
  });
}

/// gate = silu(W_gate n) * W_up n, [tokens, ffn].
void multiply_swiglu(const LayerWeights& w, Buffers& b, size_t tokens, size_t ffn, ThreadPool& pool) {
  const Linear::Product products[] = {{&w.gate, b.gate.data(), ffn}, {&w.up, b.up.data(), ffn}};
  Linear::multiply_then(products, b.activations, pool, [&](size_t begin, size_t end) {
    for (size_t t = 0; t < tokens; ++t) {
      const size_t at = t * ffn + begin;
      vector_ops().silu_multiply(&b.gate[at], &b.up[at], end - begin);
    }
  });
}

}  // namespace

void run_layer(const ModelConfig& config, const LayerWeights& w, uint32_t cache_layer, const Slice& slice,
               const Rope& rope, Attention& attention, KvCache& cache, Buffers& b, ThreadPool& pool,
               const LayerObserver* observer) {
  const size_t tokens = slice.tokens(), hidden = config.hidden, ffn = config.ffn;
  const size_t q_width = size_t(config.n_heads) * config.head_dim;
  const size_t kv_width = size_t(config.n_kv_heads) * config.head_dim;
  Activations& input = b.activations;
  const auto observe = [&](LayerInput which) {
    if (observer != nullptr) (*observer)(which, input);
  };

  // Attention: x += W_o attention(rope(W_q n), rope(W_k n), W_v n), n = norm(x).
  input.set_normalized(b.x.data(), w.attention_norm.data(), config.norm_eps, tokens, hidden);
  observe(LayerInput::qkv);
  OperationTimer timer(Operation::qkv);
  const Linear::Product qkv[] = {
      {&w.q, b.q.data(), q_width}, {&w.k, b.k.data(), kv_width}, {&w.v, b.v.data(), kv_width}};
  Linear::multiply_all(qkv, input, pool);
  timer.next(Operation::rope_cache);
  place_in_sequence(config, w, cache_layer, slice, rope, cache, b, pool);
  timer.next(Operation::attention);
  attention.run(cache, cache_layer, slice.blocks(), b.q.data(), b.attended.data(), pool);
  input.set(b.attended.data(), tokens, q_width);
  observe(LayerInput::attention_output);
  timer.next(Operation::attention_output);
  multiply_into_residual(w.attention_output, w.output_bias, b, tokens, hidden, pool);

  // Feed-forward: x += W_down (silu(W_gate n) * W_up n), n = norm(x).
  input.set_normalized(b.x.data(), w.ffn_norm.data(), config.norm_eps, tokens, hidden);
  observe(LayerInput::gate_up);
  timer.next(Operation::gate_up);
  multiply_swiglu(w, b, tokens, ffn, pool);
  input.set(b.gate.data(), tokens, ffn);
  observe(LayerInput::down);
  timer.next(Operation::down);
  multiply_into_residual(w.down, {}, b, tokens, hidden, pool);
}

}  // namespace nibble
