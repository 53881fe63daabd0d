#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "formats/gguf.h"
#include "model/gguf_config.h"
#include "model/tensor_names.h"

/// A model for tests: random float32 weights and a tokenizer whose tokens are the 256 bytes, a few merges
/// and ChatML's control tokens. It says nothing of sense, but says it in no time.
namespace nibble {

struct TinyModelOptions {
  uint64_t seed = 1;  ///< of the weights
  uint32_t context = 128;
  uint32_t extra_rows = 0;  ///< of the embedding, beyond the tokens there are
  bool tokenizer = true;
  bool dynamic_rope = false;  ///< dynamic NTK scaling beyond a quarter of the context
  std::string chat_template;  ///< none when empty
};

/// Writes the GGUF file; removes it in the end.
class TinyModel {
 public:
  static constexpr int32_t kBegin = 256, kEnd = 257, kStart = 258, kTokens = 262;

  explicit TinyModel(const TinyModelOptions& options = {}) {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("nibble-tiny-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".gguf");
    write(options);
  }
  ~TinyModel() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  static ModelConfig config(const TinyModelOptions& options) {
    ModelConfig c;
    c.architecture = "llama";
    c.name = "tiny";
    c.n_layers = 2;
    c.hidden = 32;
    c.ffn = 64;
    c.n_heads = 4;
    c.n_kv_heads = 2;
    c.head_dim = 8;
    c.vocab = uint32_t(kTokens) + options.extra_rows;
    c.context_length = options.context;
    c.rope.dims = c.head_dim;
    if (options.dynamic_rope) {
      c.rope.scaling = RopeScaling::dynamic;
      c.rope.factor = 4;
      c.rope.original_context = options.context / 4;
    }
    return c;
  }

  /// GPT-2's map: bytes that print stand for themselves, the others for U+0100 and on, in order.
  static std::vector<std::string> byte_tokens() {
    std::vector<std::string> tokens;
    char32_t next = 256;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      append_utf8(tokens.emplace_back(), prints ? byte : next++);
    }
    return tokens;
  }

  static void add_tokenizer(GgufMetadata& metadata, const std::string& chat_template) {
    std::vector<std::string> tokens = byte_tokens();
    for (const char* token : {"<|begin|>", "<|im_end|>", "<|im_start|>", "th", "the", "in"}) {
      tokens.emplace_back(token);
    }
    std::vector<int32_t> types(tokens.size(), 1);
    for (const int32_t control : {kBegin, kEnd, kStart}) types[size_t(control)] = 3;
    metadata.set("tokenizer.ggml.model", std::string("gpt2"));
    metadata.set("tokenizer.ggml.pre", std::string("smollm"));
    metadata.set("tokenizer.ggml.tokens", GgufArray{tokens});
    metadata.set("tokenizer.ggml.token_type", GgufArray{types});
    metadata.set("tokenizer.ggml.merges", GgufArray{std::vector<std::string>{"t h", "th e", "i n"}});
    metadata.set("tokenizer.ggml.bos_token_id", uint32_t(kBegin));
    metadata.set("tokenizer.ggml.eos_token_id", uint32_t(kEnd));
    metadata.set("tokenizer.ggml.add_bos_token", false);
    if (!chat_template.empty()) metadata.set("tokenizer.chat_template", chat_template);
  }

  void write(const TinyModelOptions& options) const {
    const ModelConfig c = config(options);
    GgufMetadata metadata;
    write_config(c, metadata);
    if (options.tokenizer) add_tokenizer(metadata, options.chat_template);
    std::vector<ExpectedTensor> expected = expected_model_tensors(c);
    for (uint32_t layer = 0; layer < c.n_layers; ++layer) {
      for (ExpectedTensor& tensor : expected_layer_tensors(c, layer)) expected.push_back(std::move(tensor));
    }
    std::vector<GgufWriter::Tensor> tensors;
    for (const ExpectedTensor& tensor : expected) tensors.push_back({tensor.name, DType::F32, tensor.shape});
    GgufWriter writer(path_, metadata, tensors);
    std::mt19937_64 random(options.seed);
    for (const ExpectedTensor& tensor : expected) {
      size_t count = 1;
      for (const uint64_t n : tensor.shape) count *= n;
      std::vector<float> values(count);
      for (float& v : values) {
        const auto uniform = float(double(random() >> 11) * 0x1p-53 - 0.5);
        v = tensor.shape.size() == 1 ? 1 + 0.2f * uniform : 0.8f * uniform;
      }
      writer.write(std::as_bytes(std::span(values)));
    }
    writer.finish();
  }

  std::filesystem::path path_;
};

}  // namespace nibble
