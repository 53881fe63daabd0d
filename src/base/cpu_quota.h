#pragma once

#include <filesystem>

namespace nibble {

/// Cores' worth of processor time that the control groups of this process grant: the least of its group's
/// and all groups' above (cgroup v2 cpu.max, v1 cpu.cfs_quota_us). 0: no limit. `root` stands for "/".
double cpu_quota(const std::filesystem::path& root = "/");

}  // namespace nibble
