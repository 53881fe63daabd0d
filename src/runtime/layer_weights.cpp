#include "runtime/layer_weights.h"

#include <fmt/format.h>

#include <string>

#include "tensor/dequantize.h"

namespace nibble {

std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView* tensor = checkpoint.find(name);
  if (tensor == nullptr) return {};
  std::vector<float> values(tensor->elements());
  dequantize_rows(*tensor, 0, 1, values.data());
  return values;
}

const TensorView& output_tensor(const Checkpoint& checkpoint) {
  return checkpoint.get(checkpoint.config().tied_embeddings ? "token_embd.weight" : "output.weight");
}

LayerWeights load_layer(const Checkpoint& checkpoint, uint32_t layer,
                        FunctionRef<Linear(const TensorView&)> matrix) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const auto vector = [&](const char* part) { return load_vector(checkpoint, prefix + part); };
  const auto linear = [&](const char* part) { return matrix(checkpoint.get(prefix + part)); };
  LayerWeights w;
  w.attention_norm = vector("attn_norm.weight");
  w.q = linear("attn_q.weight");
  w.k = linear("attn_k.weight");
  w.v = linear("attn_v.weight");
  w.q_bias = vector("attn_q.bias");
  w.k_bias = vector("attn_k.bias");
  w.v_bias = vector("attn_v.bias");
  w.q_norm = vector("attn_q_norm.weight");
  w.k_norm = vector("attn_k_norm.weight");
  w.attention_output = linear("attn_output.weight");
  w.output_bias = vector("attn_output.bias");
  w.ffn_norm = vector("ffn_norm.weight");
  w.gate = linear("ffn_gate.weight");
  w.up = linear("ffn_up.weight");
  w.down = linear("ffn_down.weight");
  return w;
}

}  // namespace nibble
