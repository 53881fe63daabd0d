#include "calibrate/float_operand.h"

#include <algorithm>
#include <span>

#include "base/cpu.h"
#include "kernels/packing.h"
#include "kernels/registry.h"

namespace nibble {

namespace {

constexpr size_t kPanels = 4;  ///< that a thread packs at a time

TensorView view_of(const float* b, size_t rows, size_t cols) {
  return {"", DType::F32, {rows, cols}, std::as_bytes(std::span(b, rows * cols))};
}

}  // namespace

/// Memory for the packed form; false where the kernel takes the matrix as it is.
bool FloatOperand::reserve(const KernelEntry& kernel, size_t rows, size_t cols) {
  if (kernel.packing.pack == nullptr) return false;
  const size_t bytes = kernel.packing.bytes(rows, cols);
  if (packed_.size() < bytes) packed_ = AlignedBuffer(bytes);
  return true;
}

void FloatOperand::pack(const float* b, size_t rows, size_t cols, ThreadPool& pool) {
  const KernelEntry& kernel = select_kernel(DType::F32, selected_isa());
  const TensorView view = view_of(b, rows, cols);
  if (reserve(kernel, rows, cols)) {
    pool.parallel_for(panel_count(rows), kPanels, [&](size_t begin, size_t end) {
      kernel.packing.pack(view, begin, end, packed_.data());
    });
  }
  linear_ = Linear::over(view, kernel, packed_.data());
}

void FloatOperand::pack_transposed(const float* b, size_t rows, size_t cols, ThreadPool& pool) {
  const KernelEntry& kernel = select_kernel(DType::F32, selected_isa());
  if (!reserve(kernel, cols, rows)) {
    transposed_.resize(rows * cols);
    transpose(b, rows, cols, transposed_.data(), pool);
    pack(transposed_.data(), cols, rows, pool);
    return;
  }
  // Panel by panel, so that nothing but the packed form needs memory.
  const size_t panel_bytes = kernel.packing.bytes(kPanelRows, rows);
  pool.parallel_for(panel_count(cols), kPanels, [&](size_t begin, size_t end) {
    std::vector<float> columns(kPanelRows * rows);
    for (size_t panel = begin; panel < end; ++panel) {
      const size_t first = panel * kPanelRows, count = std::min(kPanelRows, cols - first);
      for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < count; ++j) columns[j * rows + i] = b[i * cols + first + j];
      }
      kernel.packing.pack(view_of(columns.data(), count, rows), 0, 1, packed_.data() + panel * panel_bytes);
    }
  });
  linear_ = Linear::over({"", DType::F32, {cols, rows}, {}}, kernel, packed_.data());
}

void FloatOperand::multiply(const float* a, size_t m, float* y, ThreadPool& pool) {
  activations_.set(a, m, linear_.cols());
  linear_.multiply(activations_, y, linear_.rows(), pool);
}

void transpose(const float* from, size_t rows, size_t cols, float* to, ThreadPool& pool) {
  // Squares of a cache line each way.
  constexpr size_t kEdge = 16;
  pool.parallel_for((rows + kEdge - 1) / kEdge, 4, [&](size_t begin, size_t end) {
    for (size_t r = begin * kEdge; r < std::min(rows, end * kEdge); r += kEdge) {
      const size_t last = std::min(rows, r + kEdge);
      for (size_t c = 0; c < cols; c += kEdge) {
        for (size_t j = c; j < std::min(cols, c + kEdge); ++j) {
          for (size_t i = r; i < last; ++i) to[j * rows + i] = from[i * cols + j];
        }
      }
    }
  });
}

}  // namespace nibble
