#include "kernels/linear.h"

#include <algorithm>

#include "kernels/packing.h"
#include "kernels/registry.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

/// Panels a thread takes at a time: a few pieces per thread even out their speeds.
size_t panels_per_task(size_t rows, int threads) {
  constexpr size_t kPiecesPerThread = 4;
  return std::max<size_t>(1, panel_count(rows) / (size_t(threads) * kPiecesPerThread));
}

/// Tokens whose activations fill about half of the second-level cache.
size_t token_block(size_t cols) {
  constexpr size_t kDefaultL2 = 512 * 1024, kFewest = 32;
  const size_t l2 = cpu_info().l2_bytes ? cpu_info().l2_bytes : kDefaultL2;
  return std::max(kFewest, l2 / 2 / std::max<size_t>(cols * sizeof(int16_t), 1));
}

}  // namespace

Linear Linear::pack(const TensorView& weights, ThreadPool& pool) {
  return pack(weights, select_kernel(weights.dtype, selected_isa()), pool);
}

Linear Linear::pack(const TensorView& weights, const KernelEntry& kernel, ThreadPool& pool) {
  Linear linear;
  linear.view_ = weights;
  linear.rows_ = weights.rows();
  linear.cols_ = weights.cols();
  linear.kernel_ = &kernel;
  if (kernel.packing.pack != nullptr) {
    linear.packed_ = AlignedBuffer(kernel.packing.bytes(linear.rows_, linear.cols_));
    pool.parallel_for(panel_count(linear.rows_), 1, [&](size_t begin, size_t end) {
      kernel.packing.pack(weights, begin, end, linear.packed_.data());
    });
  }
  return linear;
}

std::string_view Linear::kernel_name() const {
  return kernel_->name;
}

void Linear::multiply(Activations& x, float* y, size_t y_stride, ThreadPool& pool) const {
  MatmulArgs args{};
  args.tensor = &view_;
  args.packed = packed_.data();
  args.rows = rows_;
  args.cols = cols_;
  args.activations = x.form(kernel_->activations, pool);
  args.y = y;
  args.y_stride = y_stride;
  args.token_block = token_block(cols_);
  pool.parallel_for(panel_count(rows_), panels_per_task(rows_, pool.size()), [&](size_t begin, size_t end) {
    alignas(AlignedBuffer::kAlign) thread_local std::byte scratch[kMatmulScratchBytes];
    MatmulArgs piece = args;
    piece.row_begin = begin * kPanelRows;
    piece.row_end = std::min(rows_, end * kPanelRows);
    piece.scratch = scratch;
    kernel_->run(piece);
  });
}

void Linear::row(size_t index, float* out) const {
  dequantize_rows(view_, index, 1, out);
}

}  // namespace nibble
