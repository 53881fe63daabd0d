#include "runtime/packed_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.h"
#include "base/error.h"
#include "base/progress.h"
#include "kernels/registry.h"
#include "kernels/synthetic_weights.h"
#include "model/source_stamp.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "nibble packed weights 1\n";
/// Weights begin on a huge page of the file, and so in memory where the file system has such pages.
constexpr uint64_t kWeightsAlign = uint64_t(2) << 20;
/// Written and mapped at a time: whole huge pages.
constexpr size_t kPieceBytes = size_t(8) << 20;

/// What a kernel's packing makes of a sample: another layout has another hash, and no version number is to be
/// kept in step.
uint64_t packing_hash(const KernelEntry& kernel) {
  constexpr uint64_t kRows = 17, kCols = 512;  // a whole panel and a begun one
  const SyntheticWeights sample = synthetic_weights(kernel.dtype, kRows, kCols, 1);
  std::vector<std::byte> packed(kernel.packing.bytes(kRows, kCols));
  kernel.packing.pack(sample.view, 0, 2, packed.data());
  return fnv1a(packed);
}

std::string source_lines(const Checkpoint& checkpoint) {
  std::string lines;
  for (const std::string& source : source_stamps(checkpoint)) lines += "source " + source + "\n";
  return lines;
}

std::string matrix_lines(const PackedLayout& layout) {
  std::string lines;
  std::vector<std::pair<const KernelEntry*, uint64_t>> hashes;  // few kernels serve a model
  for (const PackedMatrix& matrix : layout.matrices) {
    auto known = std::find_if(hashes.begin(), hashes.end(),
                              [&](const auto& entry) { return entry.first == matrix.kernel; });
    if (matrix.bytes == 0) continue;
    if (known == hashes.end()) known = hashes.insert(known, {matrix.kernel, packing_hash(*matrix.kernel)});
    const TensorView& tensor = *matrix.tensor;
    fmt::format_to(std::back_inserter(lines),
                   "{} {} [{}, {}] sample {:016x} packing {:016x} at {} bytes {}\n", tensor.name,
                   dtype_name(tensor.dtype), tensor.rows(), tensor.cols(), sample_hash(tensor), known->second,
                   matrix.offset, matrix.bytes);
  }
  return lines;
}

struct Header {
  std::string text;
  uint64_t source_end;  ///< of the part that says which model it is

  uint64_t weights_at() const { return (text.size() + kWeightsAlign - 1) / kWeightsAlign * kWeightsAlign; }
};

Header make_header(const Checkpoint& checkpoint, const PackedLayout& layout) {
  Header header{std::string(kMagic) + source_lines(checkpoint), 0};
  header.source_end = header.text.size();
  header.text += matrix_lines(layout) + fmt::format("weights {} bytes\n", layout.bytes);
  return header;
}

/// Why the file does not fit, or nothing.
std::string_view mismatch(std::span<const std::byte> bytes, const Header& header, uint64_t weight_bytes) {
  const std::string_view found(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view wanted = header.text;
  if (!found.starts_with(kMagic)) return "is not of this version";
  if (!found.starts_with(wanted.substr(0, header.source_end))) return "was made of another model file";
  if (!found.starts_with(wanted)) return "was made for other kernels or other weights";
  if (found.size() != header.weights_at() + weight_bytes) return "is not complete";
  return {};
}

}  // namespace

fs::path packed_file_path(const Checkpoint& checkpoint) {
  if (!checkpoint.gguf()) return checkpoint.path() / "model.packed";
  fs::path path = checkpoint.path();
  path += ".packed";
  return path;
}

PackedFile open_packed_file(const Checkpoint& checkpoint, const PackedLayout& layout, ThreadPool& pool) {
  const fs::path path = packed_file_path(checkpoint);
  std::error_code ignored;
  if (layout.bytes == 0 || !fs::exists(path, ignored)) return {};
  PackedFile file;
  std::string why;
  try {
    const Header header = make_header(checkpoint, layout);
    checkpoint.release_all();  // reading the samples mapped much around them
    file.mapping = std::make_unique<MappedFile>(path);
    why = mismatch(file.mapping->bytes(), header, layout.bytes);
    if (why.empty()) file.weights = file.mapping->bytes().subspan(header.weights_at());
  } catch (const std::exception& error) {
    why = fmt::format("cannot be used ({})", error.what());
  }
  if (!why.empty()) {
    if (!Progress::quiet()) {
      fmt::print(stderr, "{} {}: packing again; 'nibble pack {}' renews it\n", path.string(), why,
                 checkpoint.path().string());
    }
    return {};
  }
  Progress progress("Mapping " + path.filename().string(), layout.bytes, "bytes");
  file.mapping->advise_huge_pages(file.weights);
  pool.parallel_for(file.weights.size(), kPieceBytes, [&](size_t begin, size_t end) {
    file.mapping->populate(file.weights.subspan(begin, end - begin));
    progress.add(end - begin);
  });
  return file;
}

void write_packed_file(const Checkpoint& checkpoint, const PackedLayout& layout,
                       std::span<const std::byte> weights) {
  Header header = make_header(checkpoint, layout);
  const uint64_t weights_at = header.weights_at();
  const fs::path path = packed_file_path(checkpoint);
  Progress progress("Writing " + path.filename().string(), weights.size(), "bytes");
  OutputFile file(path);
  header.text.resize(weights_at);
  file.write(header.text);
  while (!weights.empty()) {
    const size_t here = std::min(kPieceBytes, weights.size());
    file.write(weights.first(here));
    weights = weights.subspan(here);
    progress.add(here);
  }
  file.commit();
}

}  // namespace nibble
