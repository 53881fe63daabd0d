#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace nibble {

/// A named tensor whose bytes lie elsewhere, usually in a mapped file. Shapes are outermost first, so a
/// weight is [rows = outputs, cols = inputs] and cols are contiguous.
struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> data;

  uint64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  uint64_t rows() const {
    uint64_t n = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
  uint64_t elements() const { return rows() * cols(); }
};

}  // namespace nibble
