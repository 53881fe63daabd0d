#pragma once

#include <cstdint>
#include <vector>

#include "kernels/registry.h"
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

}  // namespace nibble
