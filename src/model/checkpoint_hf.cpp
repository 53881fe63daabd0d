#include "base/error.h"
#include "model/checkpoint_reader.h"

namespace nibble {

std::shared_ptr<const Checkpoint> CheckpointReader::open_huggingface(const std::filesystem::path& directory) {
  fail("{}: Hugging Face directories are not read yet", directory.string());
}

}  // namespace nibble
