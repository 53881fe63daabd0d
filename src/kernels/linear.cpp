#include "kernels/linear.h"

#include <algorithm>
#include <utility>

#include "kernels/bfloat16_parts.h"
#include "kernels/packing.h"
#include "kernels/registry.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

size_t activation_bytes(ActivationForm form) {
  switch (form) {
    case ActivationForm::f32:
      return sizeof(float);
    case ActivationForm::bfloat16_parts:
      return kBfloat16Parts * sizeof(uint16_t);
    case ActivationForm::int8:
      return sizeof(int8_t);
    case ActivationForm::int16:
      return sizeof(int16_t);
  }
  return sizeof(float);
}

/// Tokens whose activations fill about half of the second-level cache, in whole tiles: the other half is for
/// the weights that stream through it.
size_t token_block(const KernelEntry& kernel, size_t cols) {
  constexpr size_t kDefaultL2 = 512 * 1024, kFewest = 48;
  const size_t l2 = cpu_info().l2_bytes ? cpu_info().l2_bytes : kDefaultL2;
  const size_t token_bytes = std::max<size_t>(1, cols * activation_bytes(kernel.activations));
  const size_t tile = kernel.tile_tokens;
  return std::clamp(l2 / 2 / token_bytes, kFewest, kMostTokenBlock) / tile * tile;
}

/// Unpacked weights of a tile that leave a quarter of the first-level cache to activations and outputs.
size_t tile_bytes() {
  constexpr size_t kDefaultL1 = 32 * 1024;
  const size_t l1 = cpu_info().l1d_bytes ? cpu_info().l1d_bytes : kDefaultL1;
  return std::min(l1 / 4 * 3, kTileScratchBytes);
}

}  // namespace

Linear Linear::pack(const TensorView& weights, ThreadPool& pool) {
  return pack(weights, select_kernel(weights.dtype, selected_isa()), pool);
}

Linear Linear::pack(const TensorView& weights, const KernelEntry& kernel, ThreadPool& pool) {
  AlignedBuffer packed;
  if (kernel.packing.pack != nullptr) {
    packed = AlignedBuffer(kernel.packing.bytes(weights.rows(), weights.cols()));
    pool.parallel_for(panel_count(weights.rows()), 1, [&](size_t begin, size_t end) {
      kernel.packing.pack(weights, begin, end, packed.data());
    });
  }
  Linear linear = over(weights, kernel, packed.data());
  linear.owned_ = std::move(packed);
  return linear;
}

Linear Linear::over(const TensorView& weights, const KernelEntry& kernel, const std::byte* packed) {
  Linear linear;
  linear.view_ = weights;
  linear.rows_ = weights.rows();
  linear.cols_ = weights.cols();
  for (size_t isa = 0; isa < kIsaCount; ++isa) {
    linear.kernels_[isa] = &kernel_on_same_bytes(kernel, Isa(isa));
  }
  linear.packed_ = packed;
  return linear;
}

std::string_view Linear::kernel_name(Isa isa) const {
  return kernels_[size_t(isa)]->name;
}

bool Linear::quantizes_activations() const {
  return is_quantized(kernels_.back()->activations);
}

std::span<const std::byte> Linear::packed() const {
  if (packed_ == nullptr) return {};
  return {packed_, kernels_.back()->packing.bytes(rows_, cols_)};
}

/// Whole tiles, and a few pieces per thread, which even out their speeds; for one token of a small matrix
/// fewer, since a piece of less than some microseconds costs more to begin than it evens out.
size_t Linear::panels_per_task(const Activations& x, int threads) const {
  constexpr size_t kPiecesPerThread = 4, kLeastProducts = 128 * 1024;
  const size_t most = std::max(size_t(threads), rows_ * cols_ * x.tokens() / kLeastProducts);
  const size_t pieces = std::min(size_t(threads) * kPiecesPerThread, most);
  const size_t tile = std::max<size_t>(1, kernel_for(x).tile_rows / kPanelRows);
  return std::max<size_t>(1, panel_count(rows_) / (pieces * tile)) * tile;
}

const KernelEntry& Linear::kernel_for(const Activations& x) const {
  return *kernels_[size_t(x.isa())];
}

/// A product's kernel and its arguments.
struct Linear::Job {
  const KernelEntry* kernel;
  MatmulArgs args;

  void run(size_t begin_panel, size_t end_panel) const {
    alignas(AlignedBuffer::kAlign) thread_local std::byte scratch[kMatmulScratchBytes];
    MatmulArgs piece = args;
    piece.row_begin = begin_panel * kPanelRows;
    piece.row_end = std::min(args.rows, end_panel * kPanelRows);
    piece.scratch = scratch;
    kernel->run(piece);
  }
};

Linear::Job Linear::prepare(const Product& product, Activations& x, ThreadPool& pool) const {
  const KernelEntry& kernel = kernel_for(x);
  MatmulArgs args{};
  args.tensor = &view_;
  args.packed = packed_;
  args.rows = rows_;
  args.cols = cols_;
  args.activations = x.form(kernel.activations, kernel.activation_groups, pool);
  args.y = product.y;
  args.y_stride = product.y_stride;
  args.token_block = token_block(kernel, cols_);
  args.tile_bytes = tile_bytes();
  return {&kernel, args};
}

void Linear::multiply(Activations& x, float* y, size_t y_stride, ThreadPool& pool) const {
  const Product product{this, y, y_stride};
  multiply_all({&product, 1}, x, pool);
}

void Linear::multiply_all(std::span<const Product> products, Activations& x, ThreadPool& pool) {
  struct Share {
    Job job;
    size_t first_task, grain;
  };
  std::vector<Share> shares;
  shares.reserve(products.size());
  size_t tasks = 0;
  for (const Product& product : products) {
    const size_t grain = product.weights->panels_per_task(x, pool.size());
    shares.push_back({product.weights->prepare(product, x, pool), tasks, grain});
    tasks += (panel_count(product.weights->rows_) + grain - 1) / grain;
  }
  pool.parallel_for(tasks, 1, [&](size_t begin, size_t end) {
    for (size_t task = begin; task < end; ++task) {
      size_t i = shares.size() - 1;
      while (shares[i].first_task > task) --i;
      const size_t panel = (task - shares[i].first_task) * shares[i].grain;
      shares[i].job.run(panel, panel + shares[i].grain);
    }
  });
}

void Linear::multiply_then(std::span<const Product> products, Activations& x, ThreadPool& pool,
                           FunctionRef<void(size_t, size_t)> finish) {
  const Linear& first = *products[0].weights;
  const size_t grain = first.panels_per_task(x, pool.size());
  std::vector<Job> jobs;
  jobs.reserve(products.size());
  for (const Product& product : products) jobs.push_back(product.weights->prepare(product, x, pool));
  pool.parallel_for(panel_count(first.rows_), grain, [&](size_t begin, size_t end) {
    for (const Job& job : jobs) job.run(begin, end);
    finish(begin * kPanelRows, std::min(first.rows_, end * kPanelRows));
  });
}

void Linear::row(size_t index, float* out) const {
  dequantize_rows(view_, index, 1, out);
}

}  // namespace nibble
