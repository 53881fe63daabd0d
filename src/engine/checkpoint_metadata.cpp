#include "engine/checkpoint_metadata.h"

#include "engine/vocabulary_loader.h"
#include "model/gguf_config.h"

namespace nibble {

GgufMetadata checkpoint_metadata(const Checkpoint& checkpoint) {
  if (checkpoint.gguf() != nullptr) return checkpoint.gguf()->metadata();
  GgufMetadata metadata;
  write_config(checkpoint.config(), metadata);
  if (has_vocabulary(checkpoint)) write_vocabulary(load_vocabulary(checkpoint), metadata);
  return metadata;
}

}  // namespace nibble
