#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/checkpoint.h"

namespace nibble {

/// Fills a Checkpoint; what GGUF files and Hugging Face directories share of it.
class CheckpointReader {
 public:
  static std::shared_ptr<const Checkpoint> open_gguf(const std::filesystem::path& path);
  static std::shared_ptr<const Checkpoint> open_huggingface(const std::filesystem::path& directory);

 private:
  /// How a tensor is called in the files, given GGUF's name.
  using NameInFile = std::string (*)(std::string_view gguf_name);

  CheckpointReader(const std::filesystem::path& path, NameInFile name_in_file);
  /// Adds a tensor under GGUF's name when the model needs it, drops it when it makes no difference;
  /// throws Error when the model cannot be run without knowing it.
  void add(TensorView tensor);
  /// Throws Error naming the first tensor that is missing or has the wrong shape or type.
  void check_tensors() const;
  void check_tensor(const std::string& name, const std::vector<uint64_t>& shape) const;
  std::shared_ptr<const Checkpoint> finish();

  std::shared_ptr<Checkpoint> checkpoint_;
  NameInFile name_in_file_;
};

}  // namespace nibble
