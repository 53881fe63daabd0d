#pragma once

#include <filesystem>

#include "formats/gguf.h"

namespace nibble {

/// Writes a file's tensors with other metadata. Throws Error where the target can't be written; it appears
/// only when complete.
void copy_gguf(const GgufFile& source, const GgufMetadata& metadata, const std::filesystem::path& target);

}  // namespace nibble
