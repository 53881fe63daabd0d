#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "tensor/tensor_view.h"

/// GGUF, versions 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md).
namespace nibble {

struct GgufArray;

/// A metadata value with the type the file gives it.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool,
                               std::string, uint64_t, int64_t, double, GgufArray>;

/// An array: all elements have one type. Nested arrays are refused, as no model uses them.
struct GgufArray {
  std::variant<std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>, std::vector<int16_t>,
               std::vector<uint32_t>, std::vector<int32_t>, std::vector<float>, std::vector<bool>,
               std::vector<std::string>, std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>>
      values;

  size_t size() const;
};

/// The type as messages give it: "a value of type uint32", "an array of 32000 string".
std::string gguf_type_name(const GgufValue& value);

inline constexpr uint64_t kGgufDefaultAlignment = 32;

/// Key-value pairs in file order, with typed look-ups. Integers of any width and sign convert when the
/// value fits; anything else throws Error naming the key, what it is and what was wanted.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  /// `file` stands at the beginning of the errors that look-ups throw.
  explicit GgufMetadata(const std::string& file) : source_(file + ": ") {}

  void set(std::string key, GgufValue value);  ///< replaces or appends
  void erase(const std::string& key);
  const GgufValue* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  const std::vector<std::pair<std::string, GgufValue>>& entries() const { return entries_; }

  /// Nothing when the key is absent.
  std::optional<uint64_t> get_uint(std::string_view key) const;
  std::optional<int64_t> get_int(std::string_view key) const;
  std::optional<double> get_float(std::string_view key) const;
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<std::string> get_string(std::string_view key) const;
  const std::vector<std::string>* get_strings(std::string_view key) const;
  std::optional<std::vector<float>> get_floats(std::string_view key) const;
  std::optional<std::vector<int64_t>> get_ints(std::string_view key) const;

 private:
  std::string source_;
  std::vector<std::pair<std::string, GgufValue>> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

/// Whether a file begins as GGUF does. Throws Error naming the path when it cannot be read.
bool is_gguf(const std::filesystem::path& path);

/// A mapped GGUF file, checked completely at opening: afterwards every view lies inside the file.
class GgufFile {
 public:
  /// Throws Error that names the file, the key or tensor, and the offset.
  static std::shared_ptr<GgufFile> open(const std::filesystem::path& path);
  /// The same from bytes that outlive the object; `name` stands in the errors. For fuzzing and tests.
  static std::shared_ptr<GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }
  const MappedFile* mapping() const { return mapping_.get(); }

 private:
  friend class GgufParser;
  std::unique_ptr<MappedFile> mapping_;
  uint32_t version_ = 3;
  GgufMetadata metadata_;
  std::vector<TensorView> tensors_;
};

/// Writes a GGUF v3 file tensor by tensor: all shapes are declared first, then the data is appended in
/// the same order, in pieces of any size. Types may change on the way: the header, whose size does not depend
/// on them, is written anew at the end. Nothing appears at the target before finish().
class GgufWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;  ///< outermost first
  };

  /// A file that is kept when it is not complete may begin with the `first` tensors of one that was left so:
  /// in the types given here, all of their data being there. Throws Error when the disk has no room.
  GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata, std::vector<Tensor> tensors,
             Incomplete incomplete = Incomplete::removed, size_t first = 0);

  /// Appends to the current tensor; goes to the next one when it is complete. Throws std::logic_error
  /// when more is written than was declared.
  void write(std::span<const std::byte> bytes);
  /// Gives the tensor that comes next another type than was declared, before its first byte.
  void set_type(DType dtype);
  /// Forgets the tensor that was completed last: it comes next again.
  void go_back();
  /// Throws std::logic_error when a tensor is incomplete.
  void finish();
  uint64_t bytes_written() const { return file_.position(); }
  uint64_t data_begin() const { return begins_.front(); }  ///< where the first tensor lies
  /// Has what was written on the disk when it returns.
  void sync() { file_.sync(); }

 private:
  void pad();

  OutputFile file_;
  GgufMetadata metadata_;
  uint64_t alignment_ = kGgufDefaultAlignment;
  std::vector<Tensor> tensors_;
  std::vector<uint64_t> begins_;  ///< in the file, of the tensors up to the current one
  size_t current_ = 0;
  uint64_t written_in_current_ = 0;
};

/// Where the first tensor lies in the file that a GgufWriter would write.
uint64_t gguf_data_begin(const GgufMetadata& metadata, const std::vector<GgufWriter::Tensor>& tensors);

}  // namespace nibble
