
#include "base/error.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"
#include "model/checkpoint_reader.h"
#include "model/gguf_config.h"
#include "model/tensor_names.h"

namespace nibble {

namespace {

RopeScaling scaling_of(std::string_view type) {
  if (type == "linear") return RopeScaling::linear;
  if (type == "dynamic") return RopeScaling::dynamic;
  if (type == "llama3") return RopeScaling::llama3;
  if (type == "yarn") return RopeScaling::yarn;
  return RopeScaling::none;
}

RopeConfig rope_config(const HfRope& hf, uint32_t head_dim) {
  RopeConfig rope;
  rope.layout = RopeLayout::halves;
  rope.theta = float(hf.theta);
  rope.dims = uint32_t(head_dim * hf.partial_rotary_factor);
  rope.scaling = scaling_of(hf.type);
  rope.factor = float(hf.factor);
  rope.original_context = hf.original_context;
  rope.low_freq_factor = float(hf.low_freq_factor);
  rope.high_freq_factor = float(hf.high_freq_factor);
  rope.beta_fast = float(hf.beta_fast);
  rope.beta_slow = float(hf.beta_slow);
  if (hf.attention_factor) rope.attention_factor = float(*hf.attention_factor);
  return rope;
}

ModelConfig model_config(const HfConfig& hf) {
  ModelConfig c;
  // GGUF knows Mistral as a llama with a window.
  c.architecture = hf.model_type == "mistral" ? "llama" : hf.model_type;
  c.n_layers = hf.num_hidden_layers;
  c.hidden = hf.hidden_size;
  c.ffn = hf.intermediate_size;
  c.n_heads = hf.num_attention_heads;
  c.n_kv_heads = hf.num_key_value_heads;
  c.head_dim = hf.head_dim;
  c.vocab = hf.vocab_size;
  c.context_length = hf.context_length;
  c.sliding_window = hf.sliding_window;
  c.norm_eps = float(hf.rms_norm_eps);
  c.rope = rope_config(hf.rope, hf.head_dim);
  c.qkv_bias = hf.qkv_bias;
  c.output_bias = hf.output_bias;
  c.qk_norm = hf.model_type == "qwen3";
  c.tied_embeddings = hf.tie_word_embeddings;
  return c;
}

/// A directory without config.json is most often one that a GGUF file lies in.
void need_config(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "config.json")) return;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".gguf") {
      fail("{} is a directory without config.json; name the file in it, such as {}", directory.string(),
           entry.path().string());
    }
  }
  fail(
      "{} is a directory without config.json; a model is a GGUF file or a Hugging Face checkpoint's "
      "directory",
      directory.string());
}

}  // namespace

std::shared_ptr<const Checkpoint> CheckpointReader::open_huggingface(const std::filesystem::path& directory) {
  need_config(directory);
  CheckpointReader reader(directory, hf_tensor_name);
  Checkpoint& checkpoint = *reader.checkpoint_;
  const std::string config_file = (directory / "config.json").string();
  checkpoint.config_ = model_config(read_hf_config(read_file(config_file), config_file));
  checkpoint.config_.name = std::filesystem::canonical(directory).filename().string();
  check_config(checkpoint.config_, config_file);

  checkpoint.safetensors_ = open_safetensors_directory(directory);
  for (const auto& file : checkpoint.safetensors_) {
    checkpoint.file_bytes_ += file->mapping()->bytes().size();
    for (TensorView tensor : file->tensors()) {
      auto name = gguf_tensor_name(tensor.name);
      if (!name) name = tensor.name;
      tensor.name = std::move(*name);
      reader.add(std::move(tensor));
    }
  }
  return reader.finish();
}

}  // namespace nibble
