#include "model/checkpoint.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "model/checkpoint_reader.h"
#include "model/tensor_names.h"

namespace nibble {

namespace {

constexpr std::string_view kRopeFactors = "rope_freqs.weight";

/// Parts of names that tell what a tensor nibble does not know is there for.
struct Feature {
  std::string_view part, words;
};
constexpr std::array kFeatures = {
    Feature{"exp", "a mixture of experts"},
    Feature{"ffn_gate_inp", "a mixture of experts"},
    Feature{"mlp.gate.", "a mixture of experts"},
    Feature{"block_sparse_moe", "a mixture of experts"},
    Feature{"sinks", "attention sinks"},
    Feature{"post_attention_norm", "a norm after the attention"},
    Feature{"post_ffw_norm", "a norm after the feed-forward"},
    Feature{"qkv", "one matrix for query, key and value"},
    Feature{"lora", "an adapter that is not merged"},
    Feature{"scale", "quantized weights with scales of their own"},
    Feature{"bias", "this bias"},
};

/// Tensors outside the layers that change the result.
constexpr std::array<std::string_view, 8> kNeedsMore = {
    "output.bias",        "lm_head.bias",           "output_norm.bias",         "position_embd.weight",
    "token_types.weight", "token_embd_norm.weight", "rope_factors_long.weight", "rope_factors_short.weight"};

/// Buffers that some programs save beside the weights, and that follow from the configuration.
bool is_known_buffer(std::string_view part) {
  return part == kRopeFactors || part == "attn_rot_embd.weight" || part.ends_with("rotary_emb.inv_freq");
}

std::string_view feature_of(std::string_view name) {
  for (const Feature& feature : kFeatures) {
    if (name.find(feature.part) != std::string_view::npos) return feature.words;
  }
  return "it";
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return CheckpointReader::open_huggingface(path);
  return CheckpointReader::open_gguf(path);
}

uint64_t Checkpoint::parameters() const {
  uint64_t total = 0;
  for (const TensorView& tensor : tensors_) {
    if (tensor.name != kRopeFactors) total += tensor.elements();
  }
  return total;
}

uint64_t Checkpoint::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const TensorView& tensor : tensors_) bytes += tensor.data.size();
  return bytes;
}

const TensorView* Checkpoint::find(const std::string& name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : &tensors_[at->second];
}

const TensorView& Checkpoint::get(const std::string& name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  fail("{}: tensor {} is missing; the checkpoint is not complete", path_.string(), name);
}

void Checkpoint::release(const TensorView& tensor) const {
  const auto release_from = [&](const MappedFile& file) {
    const std::span<const std::byte> bytes = file.bytes();
    const std::less_equal<const std::byte*> before;
    // Data that was copied out of its file lies in no mapping.
    if (before(bytes.data(), tensor.data.data()) &&
        before(tensor.data.data() + tensor.data.size(), bytes.data() + bytes.size())) {
      file.release(tensor.data);
    }
  };
  if (gguf_ && gguf_->mapping()) release_from(*gguf_->mapping());
  for (const auto& file : safetensors_) release_from(*file->mapping());
}

void Checkpoint::release_all() const {
  if (gguf_ && gguf_->mapping()) gguf_->mapping()->release(gguf_->mapping()->bytes());
  for (const auto& file : safetensors_) file->mapping()->release(file->mapping()->bytes());
}

CheckpointReader::CheckpointReader(const std::filesystem::path& path, NameInFile name_in_file)
    : checkpoint_(new Checkpoint()), name_in_file_(name_in_file) {
  checkpoint_->path_ = path;
}

void CheckpointReader::add(TensorView tensor) {
  const ModelConfig& config = checkpoint_->config_;
  const std::string file = checkpoint_->path_.string();
  const auto layer_name = split_layer_name(tensor.name);
  bool expected = tensor.name == kRopeFactors;
  if (layer_name) {
    if (is_known_buffer(layer_name->part)) return;
    if (layer_name->layer >= config.n_layers) {
      fail("{}: tensor {} belongs to a layer beyond the {} that the model is said to have", file,
           name_in_file_(tensor.name), config.n_layers);
    }
    for (const ExpectedTensor& e : expected_layer_tensors(config, uint32_t(layer_name->layer))) {
      expected = expected || e.name == tensor.name;
    }
    if (!expected) {
      fail(
          "{}: tensor {} is not part of the {} architecture as nibble runs it: models with {} would give "
          "wrong "
          "results",
          file, name_in_file_(tensor.name), config.architecture, feature_of(tensor.name));
    }
  } else {
    for (const ExpectedTensor& e : expected_model_tensors(config))
      expected = expected || e.name == tensor.name;
    for (const std::string_view name : kNeedsMore) {
      if (tensor.name == name)
        fail("{}: tensor {} is not supported; without it the results would be wrong", file, name);
    }
  }
  if (!expected) return;
  if (!checkpoint_->index_.emplace(tensor.name, checkpoint_->tensors_.size()).second) {
    fail("{}: tensor {} stands twice", file, name_in_file_(tensor.name));
  }
  checkpoint_->tensors_.push_back(std::move(tensor));
}

void CheckpointReader::check_tensor(const std::string& name, const std::vector<uint64_t>& shape) const {
  const std::string file = checkpoint_->path_.string();
  const TensorView* tensor = checkpoint_->find(name);
  if (!tensor) {
    fail("{}: tensor {} is missing; the checkpoint is not complete, get it again", file, name_in_file_(name));
  }
  if (tensor->shape != shape) {
    fail("{}: tensor {} has the shape [{}], but the model's configuration asks for [{}]", file,
         name_in_file_(name), fmt::join(tensor->shape, ", "), fmt::join(shape, ", "));
  }
  const bool is_float =
      tensor->dtype == DType::F32 || tensor->dtype == DType::F16 || tensor->dtype == DType::BF16;
  if (shape.size() == 1 && !is_float) {
    fail("{}: tensor {} is {}, but norms and biases must be F32, F16 or BF16", file, name_in_file_(name),
         dtype_name(tensor->dtype));
  }
}

void CheckpointReader::check_tensors() const {
  const ModelConfig& config = checkpoint_->config_;
  for (const ExpectedTensor& e : expected_model_tensors(config)) check_tensor(e.name, e.shape);
  // A layer count that lies ends at the first layer that is not there.
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    for (const ExpectedTensor& e : expected_layer_tensors(config, layer)) check_tensor(e.name, e.shape);
  }
}

std::shared_ptr<const Checkpoint> CheckpointReader::finish() {
  check_tensors();
  return checkpoint_;
}

}  // namespace nibble
