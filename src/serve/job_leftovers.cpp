#include "serve/job_leftovers.h"

#include <algorithm>
#include <regex>
#include <string>

namespace nibble {

namespace fs = std::filesystem;

std::vector<fs::path> job_leftovers(const fs::path& output) {
  // A number of a process and one of its files stand in the names of files that are being written.
  static const std::regex kRest(
      R"(\.(trial|best)|(\.(optimize|trial|best))?\.([0-9]+-[0-9]+\.)?partial(\.state(\.[0-9]+-[0-9]+\.partial)?)?)");
  const std::string name = output.filename().string();
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry :
       fs::directory_iterator(output.has_parent_path() ? output.parent_path() : ".", ignored)) {
    const std::string other = entry.path().filename().string();
    if (other.starts_with(name) && std::regex_match(other.substr(name.size()), kRest))
      found.push_back(entry.path());
  }
  return found;
}

bool may_go_on(const fs::path& output) {
  return std::ranges::any_of(job_leftovers(output),
                             [](const fs::path& path) { return path.string().ends_with(".partial.state"); });
}

void remove_leftovers(const fs::path& output) {
  std::error_code ignored;
  for (const fs::path& path : job_leftovers(output)) fs::remove(path, ignored);
}

}  // namespace nibble
