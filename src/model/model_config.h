#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// How rotary position embedding pairs the elements of a head: GGUF files of the llama architecture
/// hold query and key rows permuted for interleaved pairs, Hugging Face files pair the halves.
enum class RopeLayout { interleaved, halves };

enum class RopeScaling { none, linear, dynamic, llama3, yarn };

/// Rotary position embedding (Su et al. 2021) and its extensions to longer contexts.
struct RopeConfig {
  RopeLayout layout = RopeLayout::interleaved;
  float theta = 10000.0f;
  uint32_t dims = 0;  ///< rotated elements of a head, from its beginning
  RopeScaling scaling = RopeScaling::none;
  float factor = 1.0f;
  uint32_t original_context = 0;
  float low_freq_factor = 1.0f, high_freq_factor = 4.0f;  ///< llama3
  float beta_fast = 32.0f, beta_slow = 1.0f;              ///< yarn
  std::optional<float> attention_factor;                  ///< yarn; computed from factor when absent
  std::vector<float> freq_factors;  ///< [dims / 2], divides each frequency (rope_freqs.weight); or empty
};

/// Everything that tells one Llama-family architecture from another.
struct ModelConfig {
  std::string architecture;  ///< GGUF's name: "llama", "qwen2", "qwen3"
  std::string name;          ///< what the file calls the model; may be empty
  uint32_t n_layers = 0, hidden = 0, ffn = 0;
  uint32_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  uint32_t vocab = 0;
  uint32_t context_length = 0;
  uint32_t sliding_window = 0;  ///< 0: full attention
  float norm_eps = 1e-5f;
  RopeConfig rope;
  bool qkv_bias = false;         ///< Qwen 2
  bool output_bias = false;      ///< bias on the attention's output (Llama with attention_bias)
  bool qk_norm = false;          ///< Qwen 3
  bool tied_embeddings = false;  ///< the output matrix is the embedding
};

}  // namespace nibble
