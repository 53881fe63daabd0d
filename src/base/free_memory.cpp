#include "base/free_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace nibble {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

uint64_t system_available(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::string name, unit;
  uint64_t kilobytes = 0;
  while (file >> name >> kilobytes && std::getline(file, unit)) {
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return kUnknown;
}

/// What a group leaves; everything when the limit is "max" or there is none.
uint64_t left_in(const fs::path& group, const char* limit_file, const char* used_file) {
  uint64_t limit = 0, used = 0;
  std::ifstream limits(group / limit_file), usage(group / used_file);
  if (!(limits >> limit) || !(usage >> used)) return kUnknown;
  return limit - std::min(limit, used);
}

/// The least of a group and those above. Inside a container the path may be the host's, and the files those
/// of the mounted root: what does not exist limits nothing.
uint64_t least_upwards(fs::path path, const std::string& group, const char* limit, const char* used) {
  uint64_t least = left_in(path, limit, used);
  for (const fs::path& part : fs::path(group).relative_path()) {
    path /= part;
    least = std::min(least, left_in(path, limit, used));
  }
  return least;
}

}  // namespace

uint64_t free_memory(const fs::path& root) {
  uint64_t least = system_available(root);
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  // Lines are "number:controllers:path"; cgroup v2 has "0::path".
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, least_upwards(mount, group, "memory.max", "memory.current"));
    } else if (controllers == "memory") {
      least = std::min(
          least, least_upwards(mount / "memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes"));
    }
  }
  return least;
}

}  // namespace nibble
