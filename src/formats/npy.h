#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/file.h"

/// NumPy's array files (numpy.lib.format, version 1.0), float32 only.
namespace nibble {

/// Writes a float32 array [rows, cols] front to back. Nothing appears at the target before finish().
class NpyWriter {
 public:
  NpyWriter(const std::filesystem::path& path, uint64_t rows, uint64_t cols);

  /// Appends values in row order. Throws std::logic_error when more are written than were declared.
  void write(std::span<const float> values);
  /// Throws std::logic_error when values are missing.
  void finish();

 private:
  OutputFile file_;
  uint64_t missing_;  ///< values
};

struct NpyArray {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};

/// Reads a float32 array in C order. Throws Error naming the file.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace nibble
