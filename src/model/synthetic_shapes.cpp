#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "model/rope_factors.h"
#include "model/synthetic.h"

namespace nibble {

namespace {

struct Shape {
  std::string_view name, architecture;
  uint32_t hidden, ffn, layers, heads, kv_heads, head_dim, vocab, context;
  float theta;
  bool tied;
};

/// From the models' config.json.
constexpr std::array kShapes = {
    Shape{"smollm2-135m", "llama", 576, 1536, 30, 9, 3, 64, 49152, 8192, 1e5f, true},
    Shape{"smollm2-360m", "llama", 960, 2560, 32, 15, 5, 64, 49152, 8192, 1e5f, true},
    Shape{"smollm2-1.7b", "llama", 2048, 8192, 24, 32, 32, 64, 49152, 8192, 1.3e5f, true},
    Shape{"tinyllama-1.1b", "llama", 2048, 5632, 22, 32, 4, 64, 32000, 2048, 1e4f, false},
    Shape{"llama2-7b", "llama", 4096, 11008, 32, 32, 32, 128, 32000, 4096, 1e4f, false},
    Shape{"llama2-13b", "llama", 5120, 13824, 40, 40, 40, 128, 32000, 4096, 1e4f, false},
    Shape{"llama3-8b", "llama", 4096, 14336, 32, 32, 8, 128, 128256, 8192, 5e5f, false},
    Shape{"llama3.2-1b", "llama", 2048, 8192, 16, 32, 8, 64, 128256, 131072, 5e5f, true},
    Shape{"llama3.2-3b", "llama", 3072, 8192, 28, 24, 8, 128, 128256, 131072, 5e5f, true},
    Shape{"mistral-7b", "llama", 4096, 14336, 32, 32, 8, 128, 32000, 32768, 1e4f, false},
    Shape{"qwen2.5-0.5b", "qwen2", 896, 4864, 24, 14, 2, 64, 151936, 32768, 1e6f, true},
    Shape{"qwen2.5-1.5b", "qwen2", 1536, 8960, 28, 12, 2, 128, 151936, 32768, 1e6f, true},
    Shape{"qwen2.5-7b", "qwen2", 3584, 18944, 28, 28, 4, 128, 152064, 32768, 1e6f, false},
    Shape{"qwen3-0.6b", "qwen3", 1024, 3072, 28, 16, 8, 128, 151936, 40960, 1e6f, true},
    Shape{"qwen3-1.7b", "qwen3", 2048, 6144, 28, 16, 8, 128, 151936, 40960, 1e6f, true},
    Shape{"qwen3-4b", "qwen3", 2560, 9728, 36, 32, 8, 128, 151936, 40960, 1e6f, true},
    Shape{"qwen3-8b", "qwen3", 4096, 12288, 36, 32, 8, 128, 151936, 40960, 1e6f, false},
};

/// Llama 3.2 reaches its context by scaled frequencies, which GGUF holds as a tensor.
std::vector<float> llama32_freq_factors(RopeConfig rope) {
  rope.factor = 32;
  rope.low_freq_factor = 1;
  rope.high_freq_factor = 4;
  rope.original_context = 8192;
  return llama3_freq_factors(rope);
}

}  // namespace

std::vector<std::string> synthetic_shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

ModelConfig synthetic_shape(const std::string& name) {
  for (const Shape& shape : kShapes) {
    if (name != shape.name) continue;
    ModelConfig c;
    c.architecture = shape.architecture;
    c.name = "synthetic " + name;
    c.n_layers = shape.layers;
    c.hidden = shape.hidden;
    c.ffn = shape.ffn;
    c.n_heads = shape.heads;
    c.n_kv_heads = shape.kv_heads;
    c.head_dim = shape.head_dim;
    c.vocab = shape.vocab;
    c.context_length = shape.context;
    c.sliding_window = name == "mistral-7b" ? 4096 : 0;
    c.norm_eps = c.architecture == "llama" ? 1e-5f : 1e-6f;
    c.rope.layout = c.architecture == "llama" ? RopeLayout::interleaved : RopeLayout::halves;
    c.rope.theta = shape.theta;
    c.rope.dims = shape.head_dim;
    if (name.starts_with("llama3.2")) c.rope.freq_factors = llama32_freq_factors(c.rope);
    c.qkv_bias = c.architecture == "qwen2";
    c.qk_norm = c.architecture == "qwen3";
    c.tied_embeddings = shape.tied;
    return c;
  }
  throw_usage("there is no shape {}; choose one of {}", name, fmt::join(synthetic_shape_names(), ", "));
}

}  // namespace nibble
