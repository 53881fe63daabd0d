#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/linear.h"
#include "model/checkpoint.h"
#include "runtime/packed_file.h"
#include "runtime/packed_layout.h"

namespace nibble {

/// The packed matrices of a model in one piece of memory, or mapped from the packed file beside it.
class PackedWeights {
 public:
  PackedWeights() = default;
  /// Maps the packed file where there is one that fits. Else packs with all threads, with a progress line,
  /// and gives the pages of the source back piece by piece, so that no more than a few pieces are there
  /// twice. Throws Error with the size when the machine refuses that much memory.
  static PackedWeights load(const Checkpoint& checkpoint, ThreadPool& pool);
  /// Packs, whether there is a packed file or not.
  static PackedWeights pack(const Checkpoint& checkpoint, ThreadPool& pool);

  /// The matrix of a tensor of the checkpoint, ready to multiply while this object lives.
  Linear matrix(const TensorView& tensor) const;
  /// What products read, packed or where the file has it.
  uint64_t bytes() const { return layout_.bytes + layout_.mapped; }
  const PackedLayout& layout() const { return layout_; }
  /// As the layout places them.
  std::span<const std::byte> packed() const { return packed_; }
  bool from_file() const { return file_.mapping != nullptr; }

 private:
  void pack_pieces(const Checkpoint& checkpoint, ThreadPool& pool);

  PackedLayout layout_;
  AlignedBuffer memory_;  // empty where the file has them
  PackedFile file_;
  std::span<const std::byte> packed_;
};

}  // namespace nibble
