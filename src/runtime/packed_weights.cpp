#include "runtime/packed_weights.h"

#include <algorithm>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "kernels/packing.h"
#include "kernels/registry.h"

namespace nibble {

namespace {

/// Panels [begin, end) of a matrix: what a thread packs at a time.
struct Piece {
  const PackedMatrix* matrix;
  size_t begin, end;
};

/// Several huge pages, since two threads that begin one page wait for each other; fewer where the model
/// would not give every thread some pieces.
uint64_t piece_bytes(uint64_t total, int threads) {
  constexpr uint64_t kMost = uint64_t(8) << 20, kLeast = uint64_t(64) << 10, kPiecesPerThread = 8;
  return std::clamp(total / (uint64_t(threads) * kPiecesPerThread), kLeast, kMost);
}

std::vector<Piece> cut(const PackedLayout& layout, int threads) {
  const uint64_t wanted = piece_bytes(layout.bytes, threads);
  std::vector<Piece> pieces;
  for (const PackedMatrix& matrix : layout.matrices) {
    if (matrix.bytes == 0) continue;
    const size_t panels = panel_count(matrix.tensor->rows());
    const size_t step = std::max<size_t>(1, size_t(wanted * panels / matrix.bytes));
    for (size_t begin = 0; begin < panels; begin += step) {
      pieces.push_back({&matrix, begin, std::min(panels, begin + step)});
    }
  }
  return pieces;
}

/// The part of the tensor that a piece was made of. Planes have no such parts: the last piece stands for all.
TensorView source(const Piece& piece) {
  TensorView part = *piece.matrix->tensor;
  const uint64_t rows = part.rows(), panels = panel_count(rows);
  if (dtype_info(part.dtype).layout == Layout::planes) {
    if (piece.end < panels) part.data = {};
    return part;
  }
  const uint64_t row = part.data.size() / rows;
  const uint64_t begin = piece.begin * kPanelRows, end = std::min<uint64_t>(rows, piece.end * kPanelRows);
  part.data = part.data.subspan(begin * row, (end - begin) * row);
  return part;
}

uint64_t packed_source_bytes(const PackedLayout& layout) {
  uint64_t bytes = 0;
  for (const PackedMatrix& matrix : layout.matrices) {
    if (matrix.bytes > 0) bytes += matrix.tensor->data.size();
  }
  return bytes;
}

AlignedBuffer allocate(const Checkpoint& checkpoint, uint64_t bytes) {
  try {
    return AlignedBuffer(bytes);
  } catch (const std::bad_alloc&) {
    fail("{}: no memory for {:.1f} GB of weights: take a smaller model or type", checkpoint.path().string(),
         double(bytes) / 1e9);
  }
}

}  // namespace

PackedLayout::PackedLayout(const Checkpoint& checkpoint) {
  for (const TensorView& tensor : checkpoint.tensors()) {
    // An embedding that is not the output matrix too is only looked up, row by row.
    if (tensor.shape.size() < 2) continue;
    if (tensor.name == "token_embd.weight" && !checkpoint.config().tied_embeddings) continue;
    PackedMatrix matrix{&tensor, &select_kernel(tensor.dtype, selected_isa())};
    if (const Packing& packing = matrix.kernel->packing; packing.pack != nullptr) {
      matrix.offset = (bytes + kAlign - 1) / kAlign * kAlign;
      matrix.bytes = packing.bytes(tensor.rows(), tensor.cols());
      bytes = matrix.offset + matrix.bytes;
    } else {
      mapped += tensor.data.size();
    }
    matrices.push_back(matrix);
  }
}

PackedWeights::PackedWeights(const Checkpoint& checkpoint, ThreadPool& pool)
    : layout_(checkpoint), memory_(allocate(checkpoint, layout_.bytes)) {
  Progress progress("Loading " + checkpoint.path().filename().string(), packed_source_bytes(layout_),
                    "bytes");
  const std::vector<Piece> pieces = cut(layout_, pool.size());
  pool.parallel_for(pieces.size(), 1, [&](size_t begin, size_t end) {
    for (const Piece& piece : std::span(pieces).subspan(begin, end - begin)) {
      const PackedMatrix& matrix = *piece.matrix;
      matrix.kernel->packing.pack(*matrix.tensor, piece.begin, piece.end, memory_.data() + matrix.offset);
      const TensorView done = source(piece);
      checkpoint.release(done);
      progress.add(done.data.size());
    }
  });
  // Pages that two pieces shared are still there.
  for (const PackedMatrix& matrix : layout_.matrices) {
    if (matrix.bytes > 0) checkpoint.release(*matrix.tensor);
  }
}

Linear PackedWeights::matrix(const TensorView& tensor) const {
  const auto& matrices = layout_.matrices;
  const auto at = std::find_if(matrices.begin(), matrices.end(),
                               [&](const PackedMatrix& matrix) { return matrix.tensor == &tensor; });
  if (at == matrices.end()) throw std::logic_error("no packed matrix of tensor " + tensor.name);
  return Linear::over(tensor, *at->kernel, at->bytes > 0 ? memory_.data() + at->offset : nullptr);
}

}  // namespace nibble
