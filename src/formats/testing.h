#pragma once

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/testing.h"

/// What the tests of formats/ and model/ share.
namespace nibble::testing {

/// An empty directory of this test's own; it goes when the program ends.
inline std::filesystem::path fresh_directory(const std::string& name) {
  struct Root {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("nibble_test_" + std::to_string(::getpid()));
    ~Root() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Root root;
  auto path = root.path / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

/// Bytes at an address that mapped files have: aligned to whatever a tensor needs.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::string_view bytes) : words_((bytes.size() + 31) / 32), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  std::span<const std::byte> span() const {
    return {reinterpret_cast<const std::byte*>(words_.data()), size_};
  }

 private:
  struct alignas(32) Word {
    std::byte bytes[32];
  };
  std::vector<Word> words_;
  size_t size_;
};

/// A GGUF file put together field by field, so that every field can lie.
class GgufBytes {
 public:
  uint32_t version = 3;
  std::optional<uint64_t> n_tensors, n_pairs;  ///< when they are to differ from what is there
  std::string magic = "GGUF";
  std::string data;
  uint64_t alignment = 32;

  template <typename T>
  static std::string raw(T value) {
    static_assert(std::is_arithmetic_v<T>);
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
  }
  static std::string text(std::string_view s) { return raw(uint64_t(s.size())) + std::string(s); }

  GgufBytes& pair(std::string_view key, uint32_t type, const std::string& value) {
    pairs_ += text(key) + raw(type) + value;
    ++pair_count_;
    return *this;
  }
  GgufBytes& array(std::string_view key, uint32_t type, uint64_t count, const std::string& values) {
    return pair(key, 9, raw(type) + raw(count) + values);
  }
  /// Extents are in the file's order, innermost first.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                    uint64_t offset) {
    tensors_ += text(name) + raw(uint32_t(extents.size()));
    for (const uint64_t extent : extents) tensors_ += raw(extent);
    tensors_ += raw(type) + raw(offset);
    ++tensor_count_;
    return *this;
  }
  std::string build() const {
    std::string out = magic + raw(version) + raw(n_tensors.value_or(tensor_count_)) +
                      raw(n_pairs.value_or(pair_count_)) + pairs_ + tensors_;
    if (!data.empty()) out.append((alignment - out.size() % alignment) % alignment, '\0');
    return out + data;
  }

 private:
  std::string pairs_, tensors_;
  uint64_t pair_count_ = 0, tensor_count_ = 0;
};

}  // namespace nibble::testing
