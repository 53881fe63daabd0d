#include "model/source_stamp.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/checksum.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> weight_files(const Checkpoint& checkpoint) {
  if (checkpoint.gguf()) return {checkpoint.path()};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint.path())) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<std::string> source_stamps(const Checkpoint& checkpoint) {
  std::vector<std::string> stamps;
  for (const fs::path& file : weight_files(checkpoint)) {
    const auto written = fs::last_write_time(file).time_since_epoch();
    stamps.push_back(fmt::format("{} bytes, written {}", fs::file_size(file),
                                 std::chrono::duration_cast<std::chrono::nanoseconds>(written).count()));
  }
  return stamps;
}

uint64_t sample_hash(const TensorView& tensor) {
  constexpr size_t kSample = 64;
  const size_t size = tensor.data.size(), here = std::min(kSample, size);
  uint64_t hash = fnv1a(tensor.data.first(here));
  hash = fnv1a(tensor.data.subspan((size - here) / 2, here), hash);
  return fnv1a(tensor.data.last(here), hash);
}

}  // namespace nibble
