#include "base/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace nibble {

namespace {

namespace fs = std::filesystem;

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

double share(double quota_us, double period_us) {
  return quota_us > 0 && period_us > 0 ? quota_us / period_us : kUnlimited;
}

/// "100000 50000", or "max 50000".
double quota_v2(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream file(group / "cpu.max");
  return file >> quota >> period ? share(quota, period) : kUnlimited;
}

double quota_v1(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  return quota_file >> quota && period_file >> period ? share(quota, period) : kUnlimited;
}

/// The least of a group and those above. Inside a container the path may be the host's, and the files
/// those of the mounted root: what does not exist limits nothing.
double least_upwards(const fs::path& mount, const std::string& group, double (*quota_of)(const fs::path&)) {
  double least = quota_of(mount);
  fs::path path = mount;
  for (const fs::path& part : fs::path(group).relative_path()) {
    path /= part;
    least = std::min(least, quota_of(path));
  }
  return least;
}

bool has_cpu_controller(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

double cpu_quota(const fs::path& root) {
  double least = kUnlimited;
  std::ifstream groups(root / "proc/self/cgroup");
  // Lines are "number:controllers:path"; cgroup v2 has "0::path".
  for (std::string number, controllers, path; std::getline(groups, number, ':') &&
                                              std::getline(groups, controllers, ':') &&
                                              std::getline(groups, path);) {
    const fs::path mounts = root / "sys/fs/cgroup";
    if (controllers.empty()) {
      least = std::min(least, least_upwards(mounts, path, quota_v2));
    } else if (has_cpu_controller(controllers)) {
      least = std::min(least, least_upwards(mounts / "cpu", path, quota_v1));
    }
  }
  return least == kUnlimited ? 0 : least;
}

}  // namespace nibble
