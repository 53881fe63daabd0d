#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_config.h"

namespace nibble {

/// A tensor that an architecture needs.
struct ExpectedTensor {
  std::string name;             ///< GGUF's: "blk.0.attn_q.weight"
  std::vector<uint64_t> shape;  ///< outermost first
};

/// The tensors outside the layers: embedding, output norm and, unless tied, the output matrix.
std::vector<ExpectedTensor> expected_model_tensors(const ModelConfig& config);
/// The tensors of one layer.
std::vector<ExpectedTensor> expected_layer_tensors(const ModelConfig& config, uint32_t layer);

/// "blk.7.attn_q.weight" is layer 7 and "attn_q.weight"; nothing for tensors outside the layers.
struct LayerTensorName {
  uint64_t layer;
  std::string_view part;
};
std::optional<LayerTensorName> split_layer_name(std::string_view gguf_name);

/// GGUF's name of a Hugging Face tensor ("model.layers.0.self_attn.q_proj.weight", with or without
/// "model."), or nothing when it has none. Unknown parts of a layer keep their Hugging Face name after
/// "blk.N.".
std::optional<std::string> gguf_tensor_name(std::string_view hf_name);
/// The other direction, for names that gguf_tensor_name gives for known tensors; others come back
/// unchanged.
std::string hf_tensor_name(std::string_view gguf_name);

}  // namespace nibble
