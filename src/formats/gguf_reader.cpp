#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "base/utf8.h"
#include "formats/gguf.h"

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in the file");

namespace nibble {

namespace {

/// Type numbers of metadata values: the position in GgufValue, except for arrays and what follows.
constexpr uint32_t kTypeString = 8, kTypeArray = 9, kTypeUint64 = 10, kTypeFloat64 = 12;
constexpr uint32_t kMaxDims = 4;
/// The format's limit for keys, taken for tensors too: it keeps errors readable.
constexpr size_t kMaxNameBytes = 65535;
/// The least bytes that a key-value pair, a tensor's description and a string take in the file.
constexpr uint64_t kMinPair = 8 + 1 + 4 + 1, kMinTensor = 8 + 1 + 4 + 8 + 4 + 8, kMinString = 8;

/// An element of an array as errors name it: put into words only when one does, as vocabularies are long.
struct ArrayElement {
  const std::string& key;
  uint64_t index;
};

std::string in_words(const ArrayElement& element) {
  return fmt::format("element {} of metadata key {}", element.index, element.key);
}
std::string_view in_words(std::string_view what) {
  return what;
}

}  // namespace

/// Reads a file front to back; every read is checked against its end.
class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, const std::string& name, GgufFile& file)
      : bytes_(bytes), name_(name), file_(file) {}

  void parse() {
    read_header();
    read_metadata();
    read_tensor_descriptions();
    place_tensors();
  }

 private:
  struct Description {
    uint64_t offset = 0;  ///< of the data, from the beginning of the data section
    uint64_t size = 0;
  };

  void read_header();
  void read_metadata();
  void read_tensor_descriptions();
  void read_tensor_description(uint64_t index);
  std::vector<uint64_t> read_shape(const std::string& tensor);
  DType read_dtype(const std::string& tensor);
  void place_tensors();
  void check_overlap(uint64_t data_begin) const;
  uint64_t alignment() const;

  /// `what` names what is read, for the error.
  template <typename T, typename What>
  T read(const What& what);
  template <typename What>
  std::string read_string(const What& what);
  GgufValue read_value(const std::string& key);
  GgufArray read_array(const std::string& key);
  template <typename T>
  std::vector<T> read_numbers(uint64_t count);
  std::vector<bool> read_bools(uint64_t count, const std::string& key);
  std::vector<std::string> read_strings(uint64_t count, const std::string& key);
  bool read_bool(const std::string& key);

  uint64_t remaining() const { return bytes_.size() - at_; }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  GgufFile& file_;
  uint64_t at_ = 0;
  uint64_t n_tensors_ = 0, n_pairs_ = 0;
  std::vector<Description> descriptions_;
  std::unordered_set<std::string> tensor_names_;
};

template <typename T, typename What>
T GgufParser::read(const What& what) {
  if (remaining() < sizeof(T)) {
    fail("{}: the file ends at offset {} inside {}; it is cut short, get it again", name_, bytes_.size(),
         in_words(what));
  }
  T value;
  std::memcpy(&value, bytes_.data() + at_, sizeof(T));
  at_ += sizeof(T);
  return value;
}

template <typename What>
std::string GgufParser::read_string(const What& what) {
  const uint64_t begin = at_;
  const auto length = read<uint64_t>(what);
  if (length > remaining()) {
    fail("{}: {} at offset {} is said to be {} bytes long, but only {} bytes of the file follow", name_,
         in_words(what), begin, length, remaining());
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + at_), size_t(length));
  const size_t invalid = find_invalid_utf8(text);
  if (invalid != text.size()) {
    fail("{}: {} is not UTF-8 at offset {}", name_, in_words(what), at_ + invalid);
  }
  at_ += length;
  return std::string(text);
}

void GgufParser::read_header() {
  if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    fail("{} is not a GGUF file: it does not begin with the letters GGUF", name_);
  }
  at_ = 4;
  const auto version = read<uint32_t>("the header");
  if (version != 0 && (version & 0xffffu) == 0) {
    fail(
        "{} is a big-endian GGUF file, which nibble does not read; convert it with gguf-py's "
        "gguf_convert_endian.py",
        name_);
  }
  if (version < 2 || version > 3) {
    fail("{} is GGUF version {}; nibble reads versions 2 and 3, convert the original model again", name_,
         version);
  }
  file_.version_ = version;
  n_tensors_ = read<uint64_t>("the header");
  n_pairs_ = read<uint64_t>("the header");
  if (n_pairs_ > remaining() / kMinPair) {
    fail("{}: the header at offset 16 counts {} metadata keys, more than the file's {} bytes can hold", name_,
         n_pairs_, bytes_.size());
  }
  if (n_tensors_ > remaining() / kMinTensor) {
    fail("{}: the header at offset 8 counts {} tensors, more than the file's {} bytes can hold", name_,
         n_tensors_, bytes_.size());
  }
}

void GgufParser::read_metadata() {
  file_.metadata_ = GgufMetadata(name_);
  for (uint64_t i = 0; i < n_pairs_; ++i) {
    const uint64_t begin = at_;
    std::string key = read_string(fmt::format("the name of metadata key {}", i));
    if (key.empty()) fail("{}: metadata key {} at offset {} has no name", name_, i, begin);
    if (key.size() > kMaxNameBytes) {
      fail("{}: the name of metadata key {} at offset {} has {} bytes", name_, i, begin, key.size());
    }
    if (file_.metadata_.contains(key)) {
      fail("{}: metadata key {} stands twice, again at offset {}", name_, key, begin);
    }
    GgufValue value = read_value(key);
    file_.metadata_.set(std::move(key), std::move(value));
  }
}

GgufValue GgufParser::read_value(const std::string& key) {
  const uint64_t begin = at_;
  const auto type = read<uint32_t>(key);
  switch (type) {
    case 0:
      return read<uint8_t>(key);
    case 1:
      return read<int8_t>(key);
    case 2:
      return read<uint16_t>(key);
    case 3:
      return read<int16_t>(key);
    case 4:
      return read<uint32_t>(key);
    case 5:
      return read<int32_t>(key);
    case 6:
      return read<float>(key);
    case 7:
      return read_bool(key);
    case kTypeString:
      return read_string(fmt::format("the value of metadata key {}", key));
    case kTypeArray:
      return read_array(key);
    case kTypeUint64:
      return read<uint64_t>(key);
    case 11:
      return read<int64_t>(key);
    case kTypeFloat64:
      return read<double>(key);
  }
  fail("{}: metadata key {} at offset {} has the unknown type {}", name_, key, begin, type);
}

bool GgufParser::read_bool(const std::string& key) {
  const auto value = read<uint8_t>(key);
  if (value > 1) {
    fail("{}: metadata key {} holds a bool of {} at offset {}; it must be 0 or 1", name_, key, value,
         at_ - 1);
  }
  return value == 1;
}

GgufArray GgufParser::read_array(const std::string& key) {
  const uint64_t begin = at_;
  const auto type = read<uint32_t>(key);
  const auto count = read<uint64_t>(key);
  static constexpr uint8_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, kMinString, 0, 8, 8, 8};
  if (type == kTypeArray) {
    fail("{}: metadata key {} at offset {} is an array of arrays, which nibble does not read", name_, key,
         begin);
  }
  if (type > kTypeFloat64) {
    fail("{}: metadata key {} at offset {} is an array of the unknown type {}", name_, key, begin, type);
  }
  if (count > remaining() / kSizes[type]) {
    fail(
        "{}: metadata key {} at offset {} counts {} array elements, more than the {} bytes that follow can "
        "hold",
        name_, key, begin, count, remaining());
  }
  switch (type) {
    case 0:
      return {read_numbers<uint8_t>(count)};
    case 1:
      return {read_numbers<int8_t>(count)};
    case 2:
      return {read_numbers<uint16_t>(count)};
    case 3:
      return {read_numbers<int16_t>(count)};
    case 4:
      return {read_numbers<uint32_t>(count)};
    case 5:
      return {read_numbers<int32_t>(count)};
    case 6:
      return {read_numbers<float>(count)};
    case 7:
      return {read_bools(count, key)};
    case kTypeString:
      return {read_strings(count, key)};
    case kTypeUint64:
      return {read_numbers<uint64_t>(count)};
    case 11:
      return {read_numbers<int64_t>(count)};
    default:
      return {read_numbers<double>(count)};
  }
}

template <typename T>
std::vector<T> GgufParser::read_numbers(uint64_t count) {
  std::vector<T> values(size_t(count), T{});
  if (count > 0) std::memcpy(values.data(), bytes_.data() + at_, values.size() * sizeof(T));
  at_ += count * sizeof(T);
  return values;
}

std::vector<bool> GgufParser::read_bools(uint64_t count, const std::string& key) {
  std::vector<bool> values;
  values.reserve(size_t(count));
  for (uint64_t i = 0; i < count; ++i) values.push_back(read_bool(key));
  return values;
}

std::vector<std::string> GgufParser::read_strings(uint64_t count, const std::string& key) {
  std::vector<std::string> values;
  values.reserve(size_t(count));
  for (uint64_t i = 0; i < count; ++i) values.push_back(read_string(ArrayElement{key, i}));
  return values;
}

void GgufParser::read_tensor_descriptions() {
  file_.tensors_.reserve(size_t(n_tensors_));
  descriptions_.reserve(size_t(n_tensors_));
  for (uint64_t i = 0; i < n_tensors_; ++i) read_tensor_description(i);
}

void GgufParser::read_tensor_description(uint64_t index) {
  const uint64_t begin = at_;
  TensorView tensor;
  tensor.name = read_string(fmt::format("the name of tensor {}", index));
  if (tensor.name.empty()) fail("{}: tensor {} at offset {} has no name", name_, index, begin);
  if (tensor.name.size() > kMaxNameBytes) {
    fail("{}: the name of tensor {} at offset {} has {} bytes", name_, index, begin, tensor.name.size());
  }
  if (!tensor_names_.insert(tensor.name).second) {
    fail("{}: tensor {} stands twice, again at offset {}", name_, tensor.name, begin);
  }
  tensor.shape = read_shape(tensor.name);
  tensor.dtype = read_dtype(tensor.name);
  const auto offset = read<uint64_t>(fmt::format("tensor {}", tensor.name));

  const DTypeInfo& info = dtype_info(tensor.dtype);
  if (tensor.cols() % info.block_elements != 0) {
    fail("{}: tensor {} at offset {} has rows of {} elements, which is no multiple of {}'s block of {}",
         name_, tensor.name, begin, tensor.cols(), info.name, info.block_elements);
  }
  const auto size = tensor_bytes(tensor.dtype, tensor.rows(), tensor.cols());
  if (!size || *size > bytes_.size()) {
    fail("{}: tensor {} at offset {} has the shape [{}] and would be larger than the whole file", name_,
         tensor.name, begin, fmt::join(tensor.shape, ", "));
  }
  descriptions_.push_back({offset, *size});
  file_.tensors_.push_back(std::move(tensor));
}

std::vector<uint64_t> GgufParser::read_shape(const std::string& tensor) {
  const uint64_t begin = at_;
  const std::string what = fmt::format("the shape of tensor {}", tensor);
  const auto n_dims = read<uint32_t>(what);
  if (n_dims < 1 || n_dims > kMaxDims) {
    fail("{}: tensor {} at offset {} has {} dimensions; 1 to {} are possible", name_, tensor, begin, n_dims,
         kMaxDims);
  }
  std::vector<uint64_t> shape(n_dims);
  uint64_t elements = 1;
  for (uint32_t d = 0; d < n_dims; ++d) {
    const auto extent = read<uint64_t>(what);
    if (extent == 0) fail("{}: dimension {} of tensor {} at offset {} is 0", name_, d, tensor, at_ - 8);
    // No format takes less than two bits an element: what exceeds that is refused before any product
    // of it can overflow.
    const auto product = checked_mul(elements, extent);
    if (!product || *product / 4 > bytes_.size()) {
      fail("{}: dimension {} of tensor {} at offset {} is {}: the tensor would be larger than the whole file",
           name_, d, tensor, at_ - 8, extent);
    }
    elements = *product;
    shape[n_dims - 1 - d] = extent;
  }
  return shape;
}

DType GgufParser::read_dtype(const std::string& tensor) {
  const uint64_t begin = at_;
  const auto number = read<uint32_t>(fmt::format("the type of tensor {}", tensor));
  if (const auto dtype = dtype_from_number(number)) return *dtype;
  const std::string_view known = ggml_type_name(number);
  fail(
      "{}: tensor {} at offset {} is {}, which nibble does not read; convert the original model to another "
      "type, "
      "such as Q4_K or Q8_0",
      name_, tensor, begin, known.empty() ? fmt::format("of type number {}", number) : known);
}

uint64_t GgufParser::alignment() const {
  const uint64_t value = file_.metadata_.get_uint("general.alignment").value_or(kGgufDefaultAlignment);
  if (value < 8 || !std::has_single_bit(value)) {
    fail("{}: general.alignment is {}; it must be a power of two, at least 8", name_, value);
  }
  return value;
}

void GgufParser::place_tensors() {
  const uint64_t align = alignment();
  if (n_tensors_ == 0) return;
  const auto padded = checked_add(at_, align - 1);
  const uint64_t data_begin = padded ? *padded / align * align : UINT64_MAX;
  if (data_begin > bytes_.size()) {
    fail(
        "{}: the file ends at offset {} before the tensor data, which begins at {}; it is cut short, get it "
        "again",
        name_, bytes_.size(), data_begin);
  }
  const std::span<const std::byte> data = bytes_.subspan(size_t(data_begin));
  for (size_t i = 0; i < file_.tensors_.size(); ++i) {
    TensorView& tensor = file_.tensors_[i];
    const auto [offset, size] = descriptions_[i];
    if (offset % align != 0) {
      fail(
          "{}: the data of tensor {} begins at {} of the data section, which is no multiple of the alignment "
          "{}",
          name_, tensor.name, offset, align);
    }
    if (!range_fits(offset, size, data.size())) {
      fail(
          "{}: the {} bytes of tensor {} at {} of the data section (file offset {}) reach past the end of "
          "the file at "
          "{}; it is cut short, get it again",
          name_, size, tensor.name, offset, data_begin, bytes_.size());
    }
    tensor.data = data.subspan(size_t(offset), size_t(size));
  }
  check_overlap(data_begin);
}

void GgufParser::check_overlap(uint64_t data_begin) const {
  std::vector<size_t> order(file_.tensors_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return descriptions_[a].offset < descriptions_[b].offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Description& before = descriptions_[order[i - 1]];
    const Description& here = descriptions_[order[i]];
    if (before.offset + before.size > here.offset) {
      fail("{}: tensors {} and {} overlap at file offset {}", name_, file_.tensors_[order[i - 1]].name,
           file_.tensors_[order[i]].name, data_begin + here.offset);
    }
  }
}

bool is_gguf(const std::filesystem::path& path) {
  const MappedFile file(path);
  return file.bytes().size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
}

std::shared_ptr<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_unique<MappedFile>(path);
  auto file = parse(mapping->bytes(), path.string());
  file->mapping_ = std::move(mapping);
  return file;
}

std::shared_ptr<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  auto file = std::make_shared<GgufFile>();
  GgufParser(bytes, name, *file).parse();
  return file;
}

}  // namespace nibble
