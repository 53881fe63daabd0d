#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/tensor_view.h"

/// The safetensors format (github.com/huggingface/safetensors): an 8-byte header length, a JSON header that
/// gives each tensor's type, shape and place, and the data.
namespace nibble {

/// A mapped safetensors file, checked completely at opening.
class SafetensorsFile {
 public:
  /// Throws Error that names the file and the tensor.
  static std::shared_ptr<SafetensorsFile> open(const std::filesystem::path& path);
  /// The same from bytes that outlive the object; `name` stands in the errors.
  static std::shared_ptr<SafetensorsFile> parse(std::span<const std::byte> bytes, const std::string& name);

  /// In the order of the data. Types are F32, F16 and BF16.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  const std::shared_ptr<MappedFile>& mapping() const { return mapping_; }

 private:
  friend class SafetensorsParser;
  std::shared_ptr<MappedFile> mapping_;
  std::vector<TensorView> tensors_;
  /// Copies of tensors whose data is not aligned to their elements, as old writers left it.
  std::vector<std::vector<std::byte>> realigned_;
};

/// The files of a Hugging Face directory: model.safetensors, or the shards that
/// model.safetensors.index.json lists, each of which must hold the tensors it is said to hold.
std::vector<std::shared_ptr<SafetensorsFile>> open_safetensors_directory(
    const std::filesystem::path& directory);

}  // namespace nibble
