#include "runtime/packed_layout.h"

#include "base/cpu.h"

namespace nibble {

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

}  // namespace nibble
