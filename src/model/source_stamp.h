#pragma once

#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace nibble {

/// What tells a checkpoint's weights from another's without reading them: "SIZE bytes, written NANOSECONDS"
/// of each file that holds them.
std::vector<std::string> source_stamps(const Checkpoint& checkpoint);

}  // namespace nibble
