#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/checked.h"
#include "base/error.h"
#include "formats/json.h"

namespace nibble {

namespace {

/// The format's own limit; it bounds what parsing may take.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

std::optional<uint64_t> as_size(const nlohmann::json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

}  // namespace

class SafetensorsParser {
 public:
  SafetensorsParser(std::span<const std::byte> bytes, const std::string& name, SafetensorsFile& file)
      : bytes_(bytes), name_(name), file_(file) {}

  void parse() {
    const nlohmann::json header = read_header();
    for (const auto& [tensor, description] : header.items()) {
      if (tensor != "__metadata__") add_tensor(tensor, description);
    }
    std::sort(placed_.begin(), placed_.end(),
              [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
    check_overlap();
    for (Placed& placed : placed_) file_.tensors_.push_back(align(std::move(placed.view)));
  }

 private:
  struct Placed {
    TensorView view;
    uint64_t begin, end;  ///< in the data section
  };

  nlohmann::json read_header();
  void add_tensor(const std::string& tensor, const nlohmann::json& description);
  DType read_dtype(const std::string& tensor, const nlohmann::json& description) const;
  std::vector<uint64_t> read_shape(const std::string& tensor, const nlohmann::json& description) const;
  void check_overlap() const;
  TensorView align(TensorView tensor);

  std::span<const std::byte> bytes_, data_;
  const std::string& name_;
  SafetensorsFile& file_;
  std::vector<Placed> placed_;
};

nlohmann::json SafetensorsParser::read_header() {
  uint64_t length = 0;
  if (bytes_.size() < sizeof(length)) {
    fail("{} is no safetensors file: it has only {} bytes", name_, bytes_.size());
  }
  std::memcpy(&length, bytes_.data(), sizeof(length));
  const uint64_t available = bytes_.size() - sizeof(length);
  if (length > available) {
    fail(
        "{}: the header is said to be {} bytes long, but only {} bytes follow; the file is cut short or no "
        "safetensors file",
        name_, length, available);
  }
  if (length > kMaxHeaderBytes) {
    fail("{}: the header is {} bytes long; the format allows {}", name_, length, kMaxHeaderBytes);
  }
  const auto text = bytes_.subspan(sizeof(length), size_t(length));
  data_ = bytes_.subspan(sizeof(length) + size_t(length));
  return parse_json_object({reinterpret_cast<const char*>(text.data()), text.size()}, name_ + ": the header");
}

DType SafetensorsParser::read_dtype(const std::string& tensor, const nlohmann::json& description) const {
  const auto type = description.find("dtype");
  if (type == description.end() || !type->is_string()) fail("{}: tensor {} has no dtype", name_, tensor);
  const auto& text = type->get_ref<const std::string&>();
  if (text == "F32") return DType::F32;
  if (text == "F16") return DType::F16;
  if (text == "BF16") return DType::BF16;
  fail("{}: tensor {} is {}; nibble reads F32, F16 and BF16, take the checkpoint before it was quantized",
       name_, tensor, text);
}

std::vector<uint64_t> SafetensorsParser::read_shape(const std::string& tensor,
                                                    const nlohmann::json& description) const {
  const auto shape = description.find("shape");
  if (shape == description.end() || !shape->is_array()) fail("{}: tensor {} has no shape", name_, tensor);
  std::vector<uint64_t> extents;
  uint64_t elements = 1;
  for (const nlohmann::json& value : *shape) {
    const auto extent = as_size(value);
    const auto product = extent ? checked_mul(elements, *extent) : std::nullopt;
    if (!product || *product == 0 || *product > bytes_.size()) {
      fail("{}: tensor {} has the impossible shape {} for a file of {} bytes", name_, tensor, shape->dump(),
           bytes_.size());
    }
    elements = *product;
    extents.push_back(*extent);
  }
  return extents;
}

void SafetensorsParser::add_tensor(const std::string& tensor, const nlohmann::json& description) {
  if (!description.is_object()) fail("{}: the header's entry of tensor {} is no object", name_, tensor);
  TensorView view;
  view.name = tensor;
  view.dtype = read_dtype(tensor, description);
  view.shape = read_shape(tensor, description);

  const auto offsets = description.find("data_offsets");
  if (offsets == description.end() || !offsets->is_array() || offsets->size() != 2 ||
      !as_size((*offsets)[0]) || !as_size((*offsets)[1])) {
    fail("{}: tensor {} needs two data_offsets", name_, tensor);
  }
  const uint64_t begin = *as_size((*offsets)[0]), end = *as_size((*offsets)[1]);
  if (begin > end || end > data_.size()) {
    fail(
        "{}: the data of tensor {} is said to lie at [{}, {}) of the data section, which has {} bytes; the "
        "file is "
        "cut short or damaged, get it again",
        name_, tensor, begin, end, data_.size());
  }
  const auto size = tensor_bytes(view.dtype, view.rows(), view.cols());
  if (!size || *size != end - begin) {
    fail("{}: tensor {} of type {} and shape [{}] can't have the {} bytes at [{}, {})", name_, tensor,
         dtype_name(view.dtype), fmt::join(view.shape, ", "), end - begin, begin, end);
  }
  view.data = data_.subspan(size_t(begin), size_t(end - begin));
  placed_.push_back({std::move(view), begin, end});
}

void SafetensorsParser::check_overlap() const {
  for (size_t i = 1; i < placed_.size(); ++i) {
    if (placed_[i - 1].end > placed_[i].begin) {
      fail("{}: tensors {} and {} overlap at {} of the data section", name_, placed_[i - 1].view.name,
           placed_[i].view.name, placed_[i].begin);
    }
  }
}

TensorView SafetensorsParser::align(TensorView tensor) {
  const uint64_t element = dtype_info(tensor.dtype).block_bytes;
  if (reinterpret_cast<uintptr_t>(tensor.data.data()) % element != 0) {
    file_.realigned_.emplace_back(tensor.data.begin(), tensor.data.end());
    tensor.data = file_.realigned_.back();
  }
  return tensor;
}

std::shared_ptr<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<MappedFile>(path);
  auto file = parse(mapping->bytes(), path.string());
  file->mapping_ = std::move(mapping);
  return file;
}

std::shared_ptr<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes,
                                                        const std::string& name) {
  auto file = std::make_shared<SafetensorsFile>();
  SafetensorsParser(bytes, name, *file).parse();
  return file;
}

namespace {

/// Shard file name -> the tensors it is said to hold.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const nlohmann::json index = parse_json_object(read_file(path), path.string());
  const auto weights = index.find("weight_map");
  if (weights == index.end() || !weights->is_object()) fail("{} has no weight_map", path.string());
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : weights->items()) {
    if (!shard.is_string()) fail("{}: weight_map names no file for tensor {}", path.string(), tensor);
    const auto& file = shard.get_ref<const std::string&>();
    if (file.empty() || std::filesystem::path(file).filename() != file || file == "." || file == "..") {
      fail("{}: weight_map puts tensor {} into '{}', which is no file of the directory", path.string(),
           tensor, file);
    }
    shards[file].push_back(tensor);
  }
  if (shards.empty()) fail("{}: weight_map is empty", path.string());
  return shards;
}

[[noreturn]] void no_weights(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("pytorch_model") || name.ends_with(".pth")) {
      fail("{} holds its weights as {}; save them as safetensors first", directory.string(), name);
    }
  }
  fail("{} holds neither model.safetensors nor model.safetensors.index.json", directory.string());
}

}  // namespace

std::vector<std::shared_ptr<SafetensorsFile>> open_safetensors_directory(
    const std::filesystem::path& directory) {
  const auto single = directory / "model.safetensors", index = directory / "model.safetensors.index.json";
  if (std::filesystem::exists(single)) return {SafetensorsFile::open(single)};
  if (!std::filesystem::exists(index)) no_weights(directory);
  std::vector<std::shared_ptr<SafetensorsFile>> files;
  for (const auto& [shard, tensors] : read_index(index)) {
    if (!std::filesystem::exists(directory / shard)) {
      fail("{} is missing, but {} lists it; get it again", (directory / shard).string(), index.string());
    }
    files.push_back(SafetensorsFile::open(directory / shard));
    std::set<std::string_view> held;
    for (const TensorView& tensor : files.back()->tensors()) held.insert(tensor.name);
    for (const std::string& tensor : tensors) {
      if (!held.contains(tensor)) {
        fail("{} lists tensor {} in {}, which does not hold it", index.string(), tensor, shard);
      }
    }
  }
  return files;
}

}  // namespace nibble
