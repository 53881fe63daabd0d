#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "kernels/linear.h"
#include "model/checkpoint.h"

namespace nibble {

/// The weights of one layer, ready for the kernels. Shapes are [outputs, inputs].
struct LayerWeights {
  std::vector<float> attention_norm;  // [hidden]
  Linear q, k, v;                     // [n_heads * head_dim, hidden], [n_kv_heads * head_dim, hidden] twice
  std::vector<float> q_bias, k_bias, v_bias, output_bias;  // empty when the architecture has none
  std::vector<float> q_norm, k_norm;                       // [head_dim], empty when the architecture has none
  Linear attention_output;                                 // [hidden, n_heads * head_dim]
  std::vector<float> ffn_norm;                             // [hidden]
  Linear gate, up;                                         // [ffn, hidden]
  Linear down;                                             // [hidden, ffn]
};

/// A vector of the checkpoint as float32, empty when the checkpoint has no tensor of this name.
std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name);

/// The matrix [vocab, hidden] that makes logits: the embedding when they are tied.
const TensorView& output_tensor(const Checkpoint& checkpoint);

/// The layer's vectors from the checkpoint, and its matrices as `matrix` makes them of their tensors: from
/// the packed model, or one layer at a time.
LayerWeights load_layer(const Checkpoint& checkpoint, uint32_t layer,
                        FunctionRef<Linear(const TensorView&)> matrix);

}  // namespace nibble
