#include "formats/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/checked.h"
#include "base/error.h"

static_assert(std::endian::native == std::endian::little, ".npy is written as it lies in memory");

namespace nibble {

namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
/// The header ends at a multiple of this so that the data can be mapped.
constexpr size_t kAlignment = 64;
constexpr size_t kPrefix = kMagic.size() + sizeof(uint16_t);

std::string header(uint64_t rows, uint64_t cols) {
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
  text.append((kAlignment - (kPrefix + text.size() + 1) % kAlignment) % kAlignment, ' ');
  text += '\n';
  const auto length = uint16_t(text.size());
  std::string out(kMagic);
  out.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return out + text;
}

/// What stands between `before` and `after` in the header.
std::string_view between(std::string_view text, std::string_view before, char after,
                         const std::string& file) {
  const size_t begin = text.find(before);
  const size_t end = begin == std::string_view::npos ? begin : text.find(after, begin + before.size());
  if (end == std::string_view::npos) fail("{}: the .npy header '{}' can't be read", file, text);
  return text.substr(begin + before.size(), end - begin - before.size());
}

std::vector<uint64_t> parse_shape(std::string_view text, const std::string& file) {
  std::vector<uint64_t> shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    uint64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc{}) fail("{}: the .npy shape ({}) can't be read", file, text);
    shape.push_back(extent);
    at = next;
  }
  return shape;
}

}  // namespace

NpyWriter::NpyWriter(const std::filesystem::path& path, uint64_t rows, uint64_t cols)
    : file_(path), missing_(rows * cols) {
  file_.write(header(rows, cols));
}

void NpyWriter::write(std::span<const float> values) {
  if (values.size() > missing_) throw std::logic_error("NpyWriter: more values than were declared");
  file_.write(std::as_bytes(values));
  missing_ -= values.size();
}

void NpyWriter::finish() {
  if (missing_ != 0) throw std::logic_error("NpyWriter: values are missing");
  file_.commit();
}

NpyArray read_npy(const std::filesystem::path& path) {
  const std::string name = path.string();
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (bytes.size() < kPrefix || !bytes.starts_with(kMagic)) fail("{} is no .npy file of version 1.0", name);
  uint16_t length = 0;
  std::memcpy(&length, bytes.data() + kMagic.size(), sizeof(length));
  if (length > bytes.size() - kPrefix) fail("{}: the .npy header reaches past the end of the file", name);
  const std::string_view text = bytes.substr(kPrefix, length);
  if (between(text, "'descr': '", '\'', name) != "<f4" ||
      between(text, "'fortran_order': ", ',', name) != "False") {
    fail("{}: only little-endian float32 arrays in C order are read, not {}", name, text);
  }
  NpyArray array;
  array.shape = parse_shape(between(text, "'shape': (", ')', name), name);
  const std::string_view data = bytes.substr(kPrefix + length);
  uint64_t size = sizeof(float);
  for (const uint64_t extent : array.shape) {
    const auto product = checked_mul(size, extent);
    if (!product) fail("{}: the array's shape is too large", name);
    size = *product;
  }
  if (size != data.size())
    fail("{}: the array needs {} bytes, but the file holds {}", name, size, data.size());
  array.values.resize(size_t(size / sizeof(float)));
  if (size > 0) std::memcpy(array.values.data(), data.data(), size_t(size));
  return array;
}

}  // namespace nibble
