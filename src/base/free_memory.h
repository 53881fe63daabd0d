#pragma once

#include <cstdint>
#include <filesystem>

namespace nibble {

/// Bytes that this process could still take without anything being swapped out or killed: what the system
/// has available, and no more than its control groups leave (cgroup v2 memory.max, v1
/// memory.limit_in_bytes). The largest number where nothing is known. `root` stands for "/".
uint64_t free_memory(const std::filesystem::path& root = "/");

}  // namespace nibble
