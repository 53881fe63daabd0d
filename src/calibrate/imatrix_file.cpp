#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "calibrate/imatrix.h"
#include "formats/gguf.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

void check(const Imatrix::Entry& entry, const std::string& name, const std::string& file) {
  if (!std::isfinite(entry.count) || entry.count < 0) {
    fail("{}: the entry of {} has the count {}; get the imatrix again", file, name, entry.count);
  }
  for (size_t i = 0; i < entry.sums.size(); ++i) {
    if (std::isfinite(entry.sums[i]) && entry.sums[i] >= 0) continue;
    fail(
        "{}: the entry of {} has the value {} in channel {}, where only finite ones from 0 on can stand; get "
        "the imatrix again",
        file, name, entry.sums[i], i);
  }
}

std::vector<float> values_of(const TensorView& tensor, const std::string& file) {
  if (tensor.dtype != DType::F32) {
    fail("{}: {} is {}, but an imatrix holds F32", file, tensor.name, dtype_name(tensor.dtype));
  }
  std::vector<float> values(tensor.elements());
  dequantize_rows(tensor, 0, tensor.rows(), values.data());
  return values;
}

Imatrix read_gguf(const std::filesystem::path& path) {
  const std::string file = path.string();
  const auto gguf = GgufFile::open(path);
  const GgufMetadata& metadata = gguf->metadata();
  if (metadata.get_string("general.type") != "imatrix") {
    fail("{}: it is a GGUF file, but not an imatrix: general.type must be \"imatrix\"", file);
  }
  Imatrix result;
  std::map<std::string, float> counts;
  for (const TensorView& tensor : gguf->tensors()) {
    const std::string& name = tensor.name;
    if (tensor.rows() != 1) {
      fail("{}: {} has {} matrices; models with experts are not supported", file, name, tensor.rows());
    }
    if (name.ends_with(kSums)) {
      result.entries[name.substr(0, name.size() - kSums.size())].sums = values_of(tensor, file);
    } else if (name.ends_with(kCounts) && tensor.elements() == 1) {
      counts[name.substr(0, name.size() - kCounts.size())] = values_of(tensor, file)[0];
    }
  }
  for (auto& [name, entry] : result.entries) {
    const auto count = counts.find(name);
    if (count == counts.end()) fail("{}: {}{} has no {}{} beside it", file, name, kSums, name, kCounts);
    entry.count = count->second;
    check(entry, name, file);
  }
  if (const auto* datasets = metadata.get_strings("imatrix.datasets")) result.datasets = *datasets;
  result.chunk_count = uint32_t(metadata.get_uint("imatrix.chunk_count").value_or(0));
  result.chunk_size = uint32_t(metadata.get_uint("imatrix.chunk_size").value_or(0));
  return result;
}

/// Takes values off the binary form, which has no magic: whatever does not fit the file is an error.
class BinaryReader {
 public:
  BinaryReader(std::span<const std::byte> bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

  bool at_end() const { return at_ == bytes_.size(); }
  /// A number in [0, most].
  uint32_t number(const char* what, uint64_t most) {
    int32_t value = 0;
    std::memcpy(&value, take(sizeof(value), what), sizeof(value));
    if (value < 0 || uint64_t(value) > most) {
      fail("{}: {} at offset {} is {}; it is no imatrix, or damaged", file_, what, at_ - sizeof(value),
           value);
    }
    return uint32_t(value);
  }
  const std::byte* take(uint64_t size, const char* what) {
    if (size > bytes_.size() - at_) {
      fail("{}: ends at offset {} within {}; it is no imatrix, or cut short", file_, bytes_.size(), what);
    }
    at_ += size;
    return bytes_.data() + at_ - size;
  }
  std::string text(const char* what) {
    const uint32_t length = number(what, 4096);
    return {reinterpret_cast<const char*>(take(length, what)), length};
  }

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  uint64_t at_ = 0;
};

/// Entries of name, ncall and the mean squares times ncall; after them the chunks and the data's name.
Imatrix read_binary(const std::filesystem::path& path) {
  constexpr uint64_t kMost = uint64_t(1) << 24;
  const MappedFile mapping(path);
  BinaryReader reader(mapping.bytes(), path.string());
  Imatrix result;
  const uint32_t entries = reader.number("the number of entries", kMost);
  for (uint32_t i = 0; i < entries; ++i) {
    const std::string name = reader.text("an entry's name");
    Imatrix::Entry& entry = result.entries[name];
    entry.count = float(std::max(1u, reader.number("an entry's number of calls", INT32_MAX)));
    const uint32_t size = reader.number("an entry's size", kMost);
    const std::byte* values = reader.take(uint64_t(size) * sizeof(float), "an entry's values");
    entry.sums.resize(size);
    std::memcpy(entry.sums.data(), values, size * sizeof(float));
    check(entry, name, path.string());
  }
  if (!reader.at_end()) result.chunk_count = reader.number("the number of chunks", INT32_MAX);
  if (!reader.at_end()) result.datasets = {reader.text("the name of the data")};
  return result;
}

void write_gguf(const Imatrix& imatrix, const std::filesystem::path& path) {
  GgufMetadata metadata;
  metadata.set("general.type", std::string("imatrix"));
  metadata.set("imatrix.datasets", GgufArray{imatrix.datasets});
  metadata.set("imatrix.chunk_count", imatrix.chunk_count);
  metadata.set("imatrix.chunk_size", imatrix.chunk_size);
  std::vector<GgufWriter::Tensor> tensors;
  for (const auto& [name, entry] : imatrix.entries) {
    tensors.push_back({name + std::string(kSums), DType::F32, {1, entry.sums.size()}});
    tensors.push_back({name + std::string(kCounts), DType::F32, {1, 1}});
  }
  GgufWriter writer(path, metadata, std::move(tensors));
  for (const auto& [name, entry] : imatrix.entries) {
    writer.write(std::as_bytes(std::span(entry.sums)));
    writer.write(std::as_bytes(std::span(&entry.count, 1)));
  }
  writer.finish();
}

void write_binary(const Imatrix& imatrix, const std::filesystem::path& path) {
  OutputFile file(path);
  const auto number = [&](uint64_t value) {
    const auto n = int32_t(value);
    file.write(std::as_bytes(std::span(&n, 1)));
  };
  const auto text = [&](const std::string& value) {
    number(value.size());
    file.write(value);
  };
  const uint32_t calls = std::max(1u, imatrix.chunk_count);
  number(imatrix.entries.size());
  for (const auto& [name, entry] : imatrix.entries) {
    text(name);
    number(calls);
    number(entry.sums.size());
    std::vector<float> values;
    for (const float sum : entry.sums) {
      values.push_back(entry.count > 0 ? sum / entry.count * float(calls) : 0.0f);
    }
    file.write(std::as_bytes(std::span(values)));
  }
  number(imatrix.chunk_count);
  text(imatrix.datasets.empty() ? std::string() : imatrix.datasets[0]);
  file.commit();
}

}  // namespace

Imatrix read_imatrix(const std::filesystem::path& path) {
  Imatrix imatrix = is_gguf(path) ? read_gguf(path) : read_binary(path);
  if (imatrix.entries.empty()) fail("{}: the imatrix has no entries", path.string());
  return imatrix;
}

void write_imatrix(const Imatrix& imatrix, const std::filesystem::path& path) {
  path.extension() == ".dat" ? write_binary(imatrix, path) : write_gguf(imatrix, path);
}

}  // namespace nibble
