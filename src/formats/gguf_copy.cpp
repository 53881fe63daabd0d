#include "formats/gguf_copy.h"

#include <algorithm>

namespace nibble {

void copy_gguf(const GgufFile& source, const GgufMetadata& metadata, const std::filesystem::path& target) {
  constexpr size_t kPiece = size_t{16} << 20;
  std::vector<GgufWriter::Tensor> tensors;
  for (const TensorView& tensor : source.tensors())
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape});
  GgufWriter writer(target, metadata, std::move(tensors));
  for (const TensorView& tensor : source.tensors()) {
    for (size_t at = 0; at < tensor.data.size(); at += kPiece) {
      writer.write(tensor.data.subspan(at, std::min(kPiece, tensor.data.size() - at)));
    }
  }
  writer.finish();
}

}  // namespace nibble
