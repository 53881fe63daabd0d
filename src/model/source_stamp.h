#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace nibble {

/// What tells a checkpoint's weights from another's without reading them: "SIZE bytes, written NANOSECONDS"
/// of each file that holds them.
std::vector<std::string> source_stamps(const Checkpoint& checkpoint);

/// The FNV-1a hash of the first, middle and last 64 of a tensor's bytes.
uint64_t sample_hash(const TensorView& tensor);

}  // namespace nibble
