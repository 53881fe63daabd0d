#pragma once

#include <cstddef>

#include "kernels/packed_format.h"
#include "tensor/tensor_view.h"

/// From the file's blocks to packed panels (packed_format.h), for Packing in the registry.
namespace nibble {

inline size_t panel_count(size_t rows) {
  return (rows + kPanelRows - 1) / kPanelRows;
}

template <PackedFormat F>
size_t integer_packed_bytes(size_t rows, size_t cols) {
  return panel_count(rows) * F.panel_bytes(cols);
}
template <PackedFormat F>
void pack_integer(const TensorView& weights, size_t begin, size_t end, std::byte* out);

template <FloatFormat F>
size_t float_packed_bytes(size_t rows, size_t cols) {
  return panel_count(rows) * float_panel_bytes(F, cols);
}
/// Takes every type of the format, with double quantization too.
template <FloatFormat F>
void pack_float(const TensorView& weights, size_t begin, size_t end, std::byte* out);

}  // namespace nibble
