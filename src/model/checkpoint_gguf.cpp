#include "model/checkpoint_reader.h"
#include "model/gguf_config.h"

namespace nibble {

std::shared_ptr<const Checkpoint> CheckpointReader::open_gguf(const std::filesystem::path& path) {
  CheckpointReader reader(path, [](std::string_view name) { return std::string(name); });
  Checkpoint& checkpoint = *reader.checkpoint_;
  checkpoint.gguf_ = GgufFile::open(path);
  checkpoint.file_bytes_ = checkpoint.gguf_->mapping()->bytes().size();
  checkpoint.config_ = read_config(*checkpoint.gguf_, path.string());
  for (const TensorView& tensor : checkpoint.gguf_->tensors()) reader.add(tensor);
  return reader.finish();
}

}  // namespace nibble
