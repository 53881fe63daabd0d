#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "model/model_config.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// A model as it lies on disk: a GGUF file or a Hugging Face directory, mapped, checked and described
/// the same way. Tensors carry GGUF's names (token_embd.weight, blk.0.attn_q.weight, ...).
class Checkpoint {
 public:
  /// Throws Error naming the file, and the tensor or key that is wrong, and what to do.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t parameters() const;
  uint64_t tensor_bytes() const;  ///< of all tensors; the file has metadata beside them
  double bits_per_weight() const { return 8.0 * double(tensor_bytes()) / double(parameters()); }

  const std::vector<TensorView>& tensors() const { return tensors_; }  ///< in file order
  const TensorView* find(const std::string& name) const;
  /// Throws Error naming the file and the tensor when it is absent.
  const TensorView& get(const std::string& name) const;

  /// The GGUF file behind it, or null for a Hugging Face directory.
  const GgufFile* gguf() const { return gguf_.get(); }
  /// Gives the pages of a tensor back once it is packed or written.
  void release(const TensorView& tensor) const;
  /// Gives back all pages of the files: reading a little maps much around it. What is read again comes back.
  void release_all() const;

 private:
  friend class CheckpointReader;
  Checkpoint() = default;

  std::filesystem::path path_;
  ModelConfig config_;
  uint64_t file_bytes_ = 0;
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t> index_;
  std::shared_ptr<GgufFile> gguf_;
  std::vector<std::shared_ptr<SafetensorsFile>> safetensors_;
};

}  // namespace nibble
