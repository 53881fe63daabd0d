#include "calibrate/recipe_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/file.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr const char* kMark = "nibble_recipe";

std::string lower_name(DType dtype) {
  std::string name(dtype_name(dtype));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return name;
}

/// Reads values and says where one is not what it should be.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: {}", path_, fmt::format(text, std::forward<Args>(args)...));
  }

  /// A key that nothing reads is a mistake, or of another version.
  void check_keys(const ordered_json& object, std::initializer_list<std::string_view> known) const {
    if (!object.is_object()) refuse("{} stands where an object is expected", object.dump());
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      refuse("'{}' is no key of a recipe; those here are {}", key, fmt::join(known, ", "));
    }
  }
  const ordered_json& member(const ordered_json& object, const std::string& key) const {
    if (!object.contains(key)) refuse("the recipe has no '{}'", key);
    return object[key];
  }
  std::string text(const ordered_json& value, const std::string& key) const {
    if (!value.is_string()) refuse("'{}' is {}, not a text", key, value.dump());
    return value.get<std::string>();
  }
  uint32_t count(const ordered_json& object, const std::string& key, uint32_t least, uint32_t most) const {
    const ordered_json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() < least || value.get<uint64_t>() > most) {
      refuse("'{}' is {}, not a number from {} to {}", key, value.dump(), least, most);
    }
    return value.get<uint32_t>();
  }
  DType dtype(const ordered_json& value, const std::string& key) const {
    const std::string name = text(value, key);
    const auto found = dtype_from_name(name);
    if (!found) refuse("'{}' of {} is no tensor type; there is {}", name, key, dense_type_names());
    if (const auto dense = dense_dtype(*found)) {
      refuse("{} is how pruned matrices are stored: name {} for {}", dtype_name(*found), dtype_name(*dense),
             key);
    }
    return *found;
  }
  /// A type, or {"type", "method"}: the method is the recipe's, or rtn.
  TensorRecipe tensor(const ordered_json& value, const std::string& name, const std::string& method) const {
    if (!value.is_object()) return {dtype(value, name)};
    check_keys(value, {"type", "method"});
    TensorRecipe result{dtype(member(value, "type"), name)};
    if (!value.contains("method")) return result;
    const std::string own = text(value["method"], "method");
    if (own != method && own != "rtn") {
      refuse("{} has method '{}'; it may be 'rtn' or the recipe's own, '{}'", name, own, method);
    }
    result.nearest = own == "rtn" && own != method;
    return result;
  }
  RecipeFile::Calibration calibration(const ordered_json& json) const {
    check_keys(json, {"source", "sequences", "tokens", "seed"});
    RecipeFile::Calibration result;
    result.options.source = text(member(json, "source"), "source");
    result.options.sequences = count(json, "sequences", 1, 65536);
    result.options.tokens = count(json, "tokens", 2, 1 << 20);
    const ordered_json& seed = member(json, "seed");
    if (!seed.is_number_unsigned()) refuse("'seed' is {}, not a whole number", seed.dump());
    result.seed = seed.get<uint64_t>();
    return result;
  }

 private:
  std::string path_;
};

/// "q4_k_m", or the name of a tensor type that is no recipe's name ("int4_g64").
Recipe base_recipe(const std::string& type, const Reader& reader) {
  const auto names = recipe_names();
  if (std::find(names.begin(), names.end(), type) != names.end() && type != "int4")
    return make_recipe({type});
  return {type, reader.dtype(type, "type")};
}

}  // namespace

RecipeFile read_recipe(const std::filesystem::path& path) {
  const Reader reader(path.string());
  const ordered_json json = ordered_json::parse(read_file(path), nullptr, false);
  if (!json.is_object() || !json.contains(kMark)) {
    reader.refuse("this is no recipe: a JSON object with \"{}\": {} is expected", kMark, kVersion);
  }
  if (json[kMark] != kVersion) {
    reader.refuse("it is of version {}; this program reads {}", json[kMark].dump(), kVersion);
  }
  reader.check_keys(json, {kMark, "name", "type", "method", "calibration", "tensors"});
  RecipeFile result;
  result.type = reader.text(reader.member(json, "type"), "type");
  result.recipe = base_recipe(result.type, reader);
  if (json.contains("name")) result.recipe.name = reader.text(json["name"], "name");
  if (json.contains("method")) result.method = reader.text(json["method"], "method");
  if (json.contains("calibration")) result.calibration = reader.calibration(json["calibration"]);
  if (!json.contains("tensors")) return result;
  if (!json["tensors"].is_object()) reader.refuse("'tensors' is not an object of names and types");
  for (const auto& [name, value] : json["tensors"].items()) {
    result.recipe.tensors[name] = reader.tensor(value, name, result.method);
  }
  return result;
}

ordered_json to_json(const RecipeFile::Calibration& calibration) {
  return {{"source", calibration.options.source},
          {"sequences", calibration.options.sequences},
          {"tokens", calibration.options.tokens},
          {"seed", calibration.seed}};
}

RecipeFile::Calibration calibration_from_json(const ordered_json& json, const std::string& file) {
  return Reader(file).calibration(json);
}

ordered_json to_json(const RecipeFile& file) {
  ordered_json json = {
      {kMark, kVersion}, {"name", file.recipe.name}, {"type", file.type}, {"method", file.method}};
  if (file.calibration) json["calibration"] = to_json(*file.calibration);
  ordered_json& tensors = json["tensors"] = ordered_json::object();
  for (const auto& [name, own] : file.recipe.tensors) {
    if (own.nearest) {
      tensors[name] = {{"type", lower_name(own.dtype)}, {"method", "rtn"}};
    } else {
      tensors[name] = lower_name(own.dtype);
    }
  }
  return json;
}

}  // namespace nibble
