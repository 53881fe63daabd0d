#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"
#include "model/checkpoint.h"

namespace nibble {

/// A matrix of the model, and where its packed form lies among the packed weights.
struct PackedMatrix {
  const TensorView* tensor;
  const KernelEntry* kernel;
  uint64_t offset = 0;
  uint64_t bytes = 0;  ///< 0 where the kernel reads the file's own layout
};

/// What the kernels that this machine selects make of a checkpoint: every matrix that products read, in the
/// order of the file, each at the beginning of a page.
struct PackedLayout {
  PackedLayout() = default;
  explicit PackedLayout(const Checkpoint& checkpoint);
  static constexpr uint64_t kAlign = 4096;

  std::vector<PackedMatrix> matrices;
  uint64_t bytes = 0;   ///< of all of them, with the gaps between
  uint64_t mapped = 0;  ///< bytes of the matrices that are read where the file has them
};

/// The packed matrices of a model in one piece of memory.
class PackedWeights {
 public:
  PackedWeights() = default;
  /// Packs with all threads, with a progress line, and gives the pages of the source back piece by piece, so
  /// that no more than a few pieces are there twice. Throws Error with the size when the machine refuses that
  /// much memory.
  PackedWeights(const Checkpoint& checkpoint, ThreadPool& pool);

  /// The matrix of a tensor of the checkpoint, ready to multiply while this object lives.
  Linear matrix(const TensorView& tensor) const;
  /// What products read, packed or where the file has it.
  uint64_t bytes() const { return layout_.bytes + layout_.mapped; }

 private:
  PackedLayout layout_;
  AlignedBuffer memory_;
};

}  // namespace nibble
