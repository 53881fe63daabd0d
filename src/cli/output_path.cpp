#include "cli/output_path.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace nibble {

namespace fs = std::filesystem;

namespace {

/// Whether a file is one that a directory of a checkpoint or of texts consists of: any but what this program
/// writes.
bool is_part_of(const fs::path& input, const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_directory(input, ignored) || !fs::exists(file, ignored)) return false;
  const fs::path directory = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const fs::path extension = fs::canonical(file, ignored).extension();
  return fs::equivalent(input, directory, ignored) && extension != ".gguf" && extension != ".npy";
}

}  // namespace

void check_output_path(const std::string& flag, const std::string& path,
                       const std::vector<std::string>& inputs) {
  if (path.empty()) throw_usage("{}: name a file", flag);
  std::error_code ignored;
  for (const std::string& input : inputs) {
    if (fs::equivalent(input, path, ignored)) {
      throw_usage("{} {} is the input {} itself; name another file", flag, path, input);
    }
    if (is_part_of(input, path))
      throw_usage("{} {} is a file of the input {}; name another file", flag, path, input);
  }
  if (fs::is_directory(path, ignored)) {
    throw_usage("{} {} is a directory; name a file in it", flag, path);
  }
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    throw_usage("{} {} is not a regular file; name another", flag, path);
  }
  const fs::path directory = fs::path(path).parent_path();
  if (!directory.empty() && !fs::is_directory(directory, ignored)) {
    throw UsageError(
        fmt::format("{} {}: there is no directory {}; make it first", flag, path, directory.string()));
  }
}

void make_report_directory(const std::string& path) {
  if (path.empty()) return;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("--report {}: cannot make the directory: {}", path, error.message());
}

void check_input_file(const std::string& path) {
  if (path.empty()) return;
  if (fs::is_directory(path)) fail("cannot read {}: it is a directory; name a file", path);
  if (!std::ifstream(path)) fail("cannot read {}: {}; check the path", path, std::strerror(errno));
}

}  // namespace nibble
