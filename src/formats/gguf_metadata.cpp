#include <type_traits>
#include <utility>

#include "base/error.h"
#include "formats/gguf.h"

namespace nibble {

namespace {

template <typename T>
inline constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <typename T>
inline constexpr bool is_number = is_integer<T> || std::is_floating_point_v<T>;

/// "llama.block_count is a string, but an unsigned integer is needed", after the file's name.
[[noreturn]] void wrong_type(const std::string& source, std::string_view key, const GgufValue& value,
                             std::string_view wanted) {
  fail("{}metadata key {} is {}, but {} is needed", source, key, gguf_type_name(value), wanted);
}

/// A scalar converted to T when it is an integer that fits.
template <typename T>
std::optional<T> to_integer(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> std::optional<T> {
        if constexpr (is_integer<std::decay_t<decltype(v)>>) {
          if (std::in_range<T>(v)) return T(v);
        }
        return std::nullopt;
      },
      value);
}

/// An array converted element by element; nothing when an element does not convert.
template <typename T, typename Convert>
std::optional<std::vector<T>> convert_array(const GgufValue& value, Convert convert) {
  const auto* array = std::get_if<GgufArray>(&value);
  if (!array) return std::nullopt;
  return std::visit(
      [&](const auto& elements) -> std::optional<std::vector<T>> {
        using Element = typename std::decay_t<decltype(elements)>::value_type;
        if constexpr (is_number<Element>) {
          std::vector<T> out;
          out.reserve(elements.size());
          for (const Element element : elements) {
            const std::optional<T> converted = convert(element);
            if (!converted) return std::nullopt;
            out.push_back(*converted);
          }
          return out;
        } else {
          return std::nullopt;
        }
      },
      array->values);
}

}  // namespace

size_t GgufArray::size() const {
  return std::visit([](const auto& elements) { return elements.size(); }, values);
}

std::string gguf_type_name(const GgufValue& value) {
  static constexpr std::string_view kNames[] = {"uint8",   "int8", "uint16", "int16",  "uint32", "int32",
                                                "float32", "bool", "string", "uint64", "int64",  "float64"};
  if (const auto* array = std::get_if<GgufArray>(&value)) {
    return fmt::format("an array of {} {}", array->size(), kNames[array->values.index()]);
  }
  return fmt::format("a value of type {}", kNames[value.index()]);
}

void GgufMetadata::set(std::string key, GgufValue value) {
  const auto [at, added] = index_.try_emplace(key, entries_.size());
  if (added) {
    entries_.emplace_back(std::move(key), std::move(value));
  } else {
    entries_[at->second].second = std::move(value);
  }
}

void GgufMetadata::erase(const std::string& key) {
  const auto at = index_.find(key);
  if (at == index_.end()) return;
  const size_t erased = at->second;
  entries_.erase(entries_.begin() + std::ptrdiff_t(erased));
  index_.erase(at);
  for (auto& [name, position] : index_) {
    if (position > erased) --position;
  }
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto at = index_.find(key);
  return at == index_.end() ? nullptr : &entries_[at->second].second;
}

std::optional<uint64_t> GgufMetadata::get_uint(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto number = to_integer<uint64_t>(*value)) return number;
  wrong_type(source_, key, *value, "an integer that is not negative");
}

std::optional<int64_t> GgufMetadata::get_int(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto number = to_integer<int64_t>(*value)) return number;
  wrong_type(source_, key, *value, "an integer");
}

std::optional<double> GgufMetadata::get_float(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  const auto number = std::visit(
      [](const auto& v) -> std::optional<double> {
        if constexpr (is_number<std::decay_t<decltype(v)>>) return double(v);
        return std::nullopt;
      },
      *value);
  if (number) return number;
  wrong_type(source_, key, *value, "a number");
}

std::optional<bool> GgufMetadata::get_bool(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const bool* flag = std::get_if<bool>(value)) return *flag;
  wrong_type(source_, key, *value, "a bool");
}

std::optional<std::string> GgufMetadata::get_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  wrong_type(source_, key, *value, "a string");
}

const std::vector<std::string>* GgufMetadata::get_strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return nullptr;
  if (const auto* array = std::get_if<GgufArray>(value)) {
    if (const auto* strings = std::get_if<std::vector<std::string>>(&array->values)) return strings;
  }
  wrong_type(source_, key, *value, "an array of strings");
}

std::optional<std::vector<float>> GgufMetadata::get_floats(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  auto floats = convert_array<float>(*value, [](auto v) { return std::optional<float>(float(v)); });
  if (floats) return floats;
  wrong_type(source_, key, *value, "an array of numbers");
}

std::optional<std::vector<int64_t>> GgufMetadata::get_ints(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  auto ints = convert_array<int64_t>(*value, [](auto v) -> std::optional<int64_t> {
    if constexpr (is_integer<decltype(v)>) {
      if (std::in_range<int64_t>(v)) return int64_t(v);
    }
    return std::nullopt;
  });
  if (ints) return ints;
  wrong_type(source_, key, *value, "an array of integers");
}

}  // namespace nibble
