#include <fmt/format.h>

#include <bit>
#include <stdexcept>
#include <type_traits>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "formats/gguf.h"

static_assert(std::endian::native == std::endian::little, "GGUF is written as it lies in memory");

namespace nibble {

namespace {

constexpr uint32_t kVersion = 3;

/// Type numbers of metadata values by position in GgufValue; GgufArray stands last there.
constexpr uint32_t kTypeNumbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 9};

template <typename T>
void append(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append(std::string& out, const std::string& text) {
  append(out, uint64_t(text.size()));
  out += text;
}

void append(std::string& out, const GgufArray& array) {
  append(out, kTypeNumbers[array.values.index()]);
  append(out, uint64_t(array.size()));
  std::visit(
      [&](const auto& elements) {
        using Element = typename std::decay_t<decltype(elements)>::value_type;
        for (const Element& element : elements) append(out, element);
      },
      array.values);
}

uint64_t padding_to(uint64_t position, uint64_t alignment) {
  return (alignment - position % alignment) % alignment;
}

uint64_t data_bytes(const GgufWriter::Tensor& tensor) {
  const TensorView view{tensor.name, tensor.dtype, tensor.shape, {}};
  const auto size = tensor_bytes(tensor.dtype, view.rows(), view.cols());
  if (!size) {
    fail("tensor {} of shape [{}] can't be stored as {}: its rows are no multiple of the block of {}",
         tensor.name, fmt::join(tensor.shape, ", "), dtype_name(tensor.dtype),
         dtype_info(tensor.dtype).block_elements);
  }
  return *size;
}

uint64_t alignment_of(const GgufMetadata& metadata) {
  return metadata.get_uint("general.alignment").value_or(kGgufDefaultAlignment);
}

/// The header, the metadata and the tensors' descriptions, up to the first tensor.
std::string describe(const GgufMetadata& metadata, const std::vector<GgufWriter::Tensor>& tensors,
                     uint64_t alignment) {
  std::string out = "GGUF";
  append(out, kVersion);
  append(out, uint64_t(tensors.size()));
  append(out, uint64_t(metadata.entries().size()));
  for (const auto& [key, value] : metadata.entries()) {
    append(out, key);
    append(out, kTypeNumbers[value.index()]);
    std::visit([&](const auto& v) { append(out, v); }, value);
  }
  uint64_t offset = 0;
  for (const GgufWriter::Tensor& tensor : tensors) {
    append(out, tensor.name);
    append(out, uint32_t(tensor.shape.size()));
    for (size_t d = tensor.shape.size(); d-- > 0;) append(out, tensor.shape[d]);
    append(out, uint32_t(tensor.dtype));
    append(out, offset);
    const uint64_t size = data_bytes(tensor);
    offset += size + padding_to(size, alignment);
  }
  out.append(padding_to(out.size(), alignment), '\0');
  return out;
}

}  // namespace

uint64_t gguf_data_begin(const GgufMetadata& metadata, const std::vector<GgufWriter::Tensor>& tensors) {
  return describe(metadata, tensors, alignment_of(metadata)).size();
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata,
                       std::vector<Tensor> tensors, Incomplete incomplete, size_t first)
    : file_(path, incomplete), metadata_(metadata), tensors_(std::move(tensors)), current_(first) {
  alignment_ = alignment_of(metadata);
  if (alignment_ < 8 || !std::has_single_bit(alignment_)) {
    fail("{}: general.alignment is {}; it must be a power of two, at least 8", path.string(), alignment_);
  }
  std::unordered_set<std::string_view> names;
  for (const Tensor& tensor : tensors_) {
    if (!names.insert(tensor.name).second) fail("{}: tensor {} stands twice", path.string(), tensor.name);
  }
  const std::string header = describe(metadata_, tensors_, alignment_);
  uint64_t end = header.size();
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (i <= first) begins_.push_back(end);
    const uint64_t size = data_bytes(tensors_[i]);
    end += size + padding_to(size, alignment_);
  }
  if (begins_.size() <= first) begins_.push_back(end);
  file_.truncate(first == 0 ? 0 : begins_[first]);
  file_.plan(end);
  if (first > 0) return;
  file_.write(header);
}

void GgufWriter::pad() {
  file_.write(std::string(padding_to(file_.position(), alignment_), '\0'));
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (current_ == tensors_.size()) throw std::logic_error("GgufWriter: written past the last tensor");
  const uint64_t size = data_bytes(tensors_[current_]);
  if (bytes.size() > size - written_in_current_) {
    throw std::logic_error("GgufWriter: more bytes than tensor " + tensors_[current_].name + " has");
  }
  file_.write(bytes);
  written_in_current_ += bytes.size();
  if (written_in_current_ == size) {
    pad();
    ++current_;
    written_in_current_ = 0;
    begins_.push_back(file_.position());
  }
}

void GgufWriter::set_type(DType dtype) {
  if (current_ == tensors_.size() || written_in_current_ != 0) {
    throw std::logic_error("GgufWriter: no tensor begins here");
  }
  tensors_[current_].dtype = dtype;
}

void GgufWriter::go_back() {
  if (current_ == 0 || written_in_current_ != 0) {
    throw std::logic_error("GgufWriter: no tensor ends here");
  }
  --current_;
  begins_.pop_back();
  file_.truncate(begins_.back());
}

void GgufWriter::finish() {
  if (current_ != tensors_.size()) {
    throw std::logic_error("GgufWriter: tensor " + tensors_[current_].name + " is incomplete");
  }
  const std::string header = describe(metadata_, tensors_, alignment_);
  file_.write_at(0, std::as_bytes(std::span(header)));
  file_.commit();
}

}  // namespace nibble
