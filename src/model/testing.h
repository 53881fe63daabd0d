#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/testing.h"
#include "model/gguf_config.h"
#include "model/tensor_names.h"

/// Small checkpoints for the tests of model/, in both formats and easy to break.
namespace nibble::testing {

/// A llama of two layers that fits any block: 256 wide.
inline ModelConfig small_config(const std::string& architecture = "llama") {
  ModelConfig c;
  c.architecture = architecture;
  c.name = "small";
  c.n_layers = 2;
  c.hidden = 256;
  c.ffn = 512;
  c.n_heads = 4;
  c.n_kv_heads = 2;
  c.head_dim = 64;
  c.vocab = 48;
  c.context_length = 512;
  c.rope.dims = 64;
  c.rope.layout = architecture == "llama" ? RopeLayout::interleaved : RopeLayout::halves;
  c.qkv_bias = architecture == "qwen2";
  c.qk_norm = architecture == "qwen3";
  return c;
}

inline std::vector<ExpectedTensor> all_expected_tensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> tensors = expected_model_tensors(config);
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    for (ExpectedTensor& tensor : expected_layer_tensors(config, layer)) tensors.push_back(std::move(tensor));
  }
  return tensors;
}

inline std::vector<GgufWriter::Tensor> f32_tensors(const ModelConfig& config) {
  std::vector<GgufWriter::Tensor> tensors;
  for (ExpectedTensor& e : all_expected_tensors(config)) tensors.push_back({e.name, DType::F32, e.shape});
  return tensors;
}

/// Writes a GGUF file of these tensors, all of them filled with 1.0f as far as they are float32.
inline void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                       const std::vector<GgufWriter::Tensor>& tensors) {
  GgufWriter writer(path, metadata, tensors);
  for (const GgufWriter::Tensor& tensor : tensors) {
    const TensorView view{tensor.name, tensor.dtype, tensor.shape, {}};
    const std::vector<float> ones(*tensor_bytes(tensor.dtype, view.rows(), view.cols()) / 4 + 1, 1.0f);
    writer.write(std::as_bytes(std::span(ones)).first(*tensor_bytes(tensor.dtype, view.rows(), view.cols())));
  }
  writer.finish();
}

inline GgufMetadata metadata_of(const ModelConfig& config) {
  GgufMetadata metadata;
  write_config(config, metadata);
  return metadata;
}

/// A Hugging Face directory: config.json and one safetensors file of zeros.
struct SmallDirectory {
  std::filesystem::path path;
  nlohmann::json config;
  std::map<std::string, std::vector<uint64_t>> tensors;  ///< by Hugging Face's names
  std::string dtype = "F32";

  explicit SmallDirectory(const std::string& name, const ModelConfig& c = small_config())
      : path(fresh_directory(name)) {
    config = {{"architectures", {"LlamaForCausalLM"}},
              {"hidden_size", c.hidden},
              {"intermediate_size", c.ffn},
              {"num_hidden_layers", c.n_layers},
              {"num_attention_heads", c.n_heads},
              {"num_key_value_heads", c.n_kv_heads},
              {"vocab_size", c.vocab},
              {"max_position_embeddings", c.context_length},
              {"rms_norm_eps", 1e-5},
              {"rope_theta", 10000.0}};
    for (const ExpectedTensor& tensor : all_expected_tensors(c))
      tensors[hf_tensor_name(tensor.name)] = tensor.shape;
  }

  void write() const {
    write_file(path / "config.json", config.dump());
    nlohmann::json header = nlohmann::json::object();
    uint64_t offset = 0;
    for (const auto& [name, shape] : tensors) {
      uint64_t size = dtype == "F32" ? 4 : 2;
      for (const uint64_t extent : shape) size *= extent;
      header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset, offset + size}}};
      offset += size;
    }
    const std::string text = header.dump();
    const uint64_t length = text.size();
    write_file(path / "model.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + text +
                                               std::string(size_t(offset), '\0'));
  }
};

}  // namespace nibble::testing
