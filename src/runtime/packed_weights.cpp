#include "runtime/packed_weights.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

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

PackedWeights PackedWeights::load(const Checkpoint& checkpoint, ThreadPool& pool) {
  PackedWeights weights;
  weights.layout_ = PackedLayout(checkpoint);
  weights.file_ = open_packed_file(checkpoint, weights.layout_, pool);
  if (!weights.file_.mapping) return pack(checkpoint, pool);
  weights.packed_ = weights.file_.weights;
  return weights;
}

PackedWeights PackedWeights::pack(const Checkpoint& checkpoint, ThreadPool& pool) {
  PackedWeights weights;
  weights.layout_ = PackedLayout(checkpoint);
  weights.memory_ = allocate(checkpoint, weights.layout_.bytes);
  weights.packed_ = {weights.memory_.data(), weights.memory_.size()};
  weights.pack_pieces(checkpoint, pool);
  return weights;
}

void PackedWeights::pack_pieces(const Checkpoint& checkpoint, ThreadPool& pool) {
  Progress progress("Loading " + checkpoint.path().filename().string(), packed_source_bytes(layout_),
                    "bytes");
  uint64_t end_of_last = 0;
  for (const PackedMatrix& matrix : layout_.matrices) {
    if (matrix.bytes == 0) continue;
    std::memset(memory_.data() + end_of_last, 0, matrix.offset - end_of_last);  // what a file shall hold
    end_of_last = matrix.offset + matrix.bytes;
  }
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
}

Linear PackedWeights::matrix(const TensorView& tensor) const {
  const auto& matrices = layout_.matrices;
  const auto at = std::find_if(matrices.begin(), matrices.end(),
                               [&](const PackedMatrix& matrix) { return matrix.tensor == &tensor; });
  if (at == matrices.end()) throw std::logic_error("no packed matrix of tensor " + tensor.name);
  return Linear::over(tensor, *at->kernel, at->bytes > 0 ? packed_.data() + at->offset : nullptr);
}

}  // namespace nibble
