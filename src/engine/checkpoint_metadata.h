#pragma once

#include "formats/gguf.h"
#include "model/checkpoint.h"

namespace nibble {

/// What a GGUF file made of a checkpoint carries beside its tensors: all of a GGUF source, or what a Hugging
/// Face directory says, its tokenizer included, in GGUF's terms.
GgufMetadata checkpoint_metadata(const Checkpoint& checkpoint);

}  // namespace nibble
