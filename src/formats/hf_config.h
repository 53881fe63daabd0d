#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nibble {

/// Rotary embedding as a config.json asks for it, in transformers' terms.
struct HfRope {
  std::string type = "default";  ///< "default", "linear", "dynamic", "llama3", "yarn"
  double theta = 10000;
  double factor = 1;
  uint32_t original_context = 0;  ///< original_max_position_embeddings, or max_position_embeddings
  double partial_rotary_factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  ///< llama3
  double beta_fast = 32, beta_slow = 1;              ///< yarn
  std::optional<double> attention_factor;            ///< yarn
};

/// What a Hugging Face config.json says about a model, with its class's defaults filled in.
struct HfConfig {
  std::string model_type;  ///< "llama", "mistral", "qwen2", "qwen3"
  uint32_t hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  uint32_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;  ///< with rope scaling applied
  uint32_t sliding_window = 0;  ///< of all layers; 0 for full attention
  double rms_norm_eps = 1e-6;
  bool qkv_bias = false, output_bias = false;
  bool tie_word_embeddings = false;
  HfRope rope;
};

/// Reads a config.json of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM.
/// Throws Error naming `where` (the file), the key and what is wrong with it.
HfConfig read_hf_config(std::string_view json, const std::string& where);

}  // namespace nibble
