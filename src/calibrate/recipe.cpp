#include "calibrate/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include "base/error.h"
#include "model/tensor_names.h"
#include "quantize/fallback.h"

namespace nibble {

namespace {

struct Named {
  std::string_view name;
  DType weights;
  bool mixed;
  uint32_t file_type;  // llama.cpp's enum llama_ftype
};

/// The spellings of llama-quantize; Q3_K, Q4_K and Q5_K mean their medium mixes there.
constexpr std::array kNamed = {
    Named{"F32", DType::F32, false, 0},       Named{"F16", DType::F16, false, 1},
    Named{"BF16", DType::BF16, false, 32},    Named{"Q8_0", DType::Q8_0, false, 7},
    Named{"Q6_K", DType::Q6_K, false, 18},    Named{"Q5_0", DType::Q5_0, false, 8},
    Named{"Q5_1", DType::Q5_1, false, 9},     Named{"Q5_K_S", DType::Q5_K, true, 16},
    Named{"Q5_K_M", DType::Q5_K, true, 17},   Named{"Q4_0", DType::Q4_0, false, 2},
    Named{"Q4_1", DType::Q4_1, false, 3},     Named{"Q4_K_S", DType::Q4_K, true, 14},
    Named{"Q4_K_M", DType::Q4_K, true, 15},   Named{"IQ4_NL", DType::IQ4_NL, true, 25},
    Named{"IQ4_XS", DType::IQ4_XS, true, 30}, Named{"MXFP4", DType::MXFP4, false, 38},
    Named{"Q3_K_S", DType::Q3_K, true, 11},   Named{"Q3_K_M", DType::Q3_K, true, 12},
    Named{"Q3_K_L", DType::Q3_K, true, 13},   Named{"Q2_K", DType::Q2_K, true, 10},
};

const Named* find_named(std::string_view name) {
  const auto it = std::find_if(kNamed.begin(), kNamed.end(), [&](const Named& n) { return n.name == name; });
  return it == kNamed.end() ? nullptr : &*it;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return char(std::toupper(c)); });
  return text;
}

std::string canonical_name(const std::string& type) {
  const std::string name = upper(type);
  return name == "Q3_K" || name == "Q4_K" || name == "Q5_K" ? name + "_M" : name;
}

DType int4_dtype(const RecipeRequest& request) {
  switch (request.group == 0 ? 128 : request.group) {
    case 32:
      return request.asymmetric ? DType::Q4_1 : DType::Q4_0;
    case 64:
      return request.asymmetric ? DType::UINT4_G64 : DType::INT4_G64;
    case 128:
      return request.asymmetric ? DType::UINT4_G128 : DType::INT4_G128;
    default:
      throw_usage("--group {} is not a group size of int4; use 32, 64 or 128", request.group);
  }
}

Recipe own_recipe(DType dtype) {
  return {std::string(dtype_name(dtype)), dtype};
}

/// The layers to which llama.cpp's medium mixes give more bits: the first and last eighth, and every
/// third between.
bool more_bits(uint32_t layer, uint32_t layers) {
  const uint32_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

DType mixed_value(const Recipe& r, const ModelConfig& c, uint32_t layer) {
  const bool shared = c.n_heads / c.n_kv_heads >= 4;
  if (r.name == "Q2_K") return shared ? DType::Q4_K : DType::Q3_K;
  if (r.name == "Q3_K_M") return layer < 2 ? DType::Q5_K : DType::Q4_K;
  if (r.name == "Q3_K_L") return DType::Q5_K;
  if (r.name.starts_with("IQ4_")) return shared ? DType::Q5_K : r.weights;
  if (r.name == "Q4_K_S") return layer < 4 ? DType::Q5_K : r.weights;
  if (r.name == "Q4_K_M" || r.name == "Q5_K_M") return more_bits(layer, c.n_layers) ? DType::Q6_K : r.weights;
  return r.weights;
}

DType mixed_down(const Recipe& r, const ModelConfig& c, uint32_t layer) {
  if (r.name == "Q2_K") return DType::Q3_K;
  if (r.name == "Q3_K_M") return layer < c.n_layers / 16 ? DType::Q5_K : DType::Q4_K;
  if (r.name == "Q3_K_L") return DType::Q5_K;
  if (r.name == "Q4_K_S" || r.name.starts_with("IQ4_"))
    return layer < c.n_layers / 8 ? DType::Q5_K : r.weights;
  if (r.name == "Q4_K_M" || r.name == "Q5_K_M") return more_bits(layer, c.n_layers) ? DType::Q6_K : r.weights;
  return r.weights;
}

DType mixed_attention_output(const Recipe& r) {
  if (r.name == "Q2_K") return DType::Q3_K;
  if (r.name == "Q3_K_M") return DType::Q4_K;
  if (r.name == "Q3_K_L") return DType::Q5_K;
  return r.weights;
}

/// llama.cpp's llama_tensor_get_type for the Llama family.
DType mixed_dtype(const Recipe& recipe, const ModelConfig& config, const std::string& tensor) {
  const auto name = split_layer_name(tensor);
  if (!name) return recipe.weights;
  const auto layer = uint32_t(name->layer);
  if (name->part == "attn_v.weight") return mixed_value(recipe, config, layer);
  if (name->part == "ffn_down.weight") return mixed_down(recipe, config, layer);
  if (name->part == "attn_output.weight") return mixed_attention_output(recipe);
  return recipe.weights;
}

double bits_per_weight(DType dtype) {
  const DTypeInfo& info = dtype_info(dtype);
  return 8.0 * info.block_bytes / info.block_elements;
}

DType matrix_dtype(const Recipe& recipe, const ModelConfig& config, const TensorView& tensor) {
  if (const auto own = recipe.tensors.find(tensor.name); own != recipe.tensors.end())
    return own->second.dtype;
  const bool embedding = tensor.name == "token_embd.weight";
  if (tensor.name == "output.weight" || (embedding && config.tied_embeddings)) {
    if (recipe.output) return *recipe.output;
    if (embedding && recipe.embedding) return *recipe.embedding;
    return recipe.pure || bits_per_weight(recipe.weights) >= 6.5 ? recipe.weights : DType::Q6_K;
  }
  if (embedding && recipe.embedding) return *recipe.embedding;
  if (recipe.pure || !recipe.mixed) return recipe.weights;
  return mixed_dtype(recipe, config, tensor.name);
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Named& named : kNamed) names.emplace_back(named.name);
  for (const char* own : {"INT8", "INT4", "NF4", "FP4"}) names.emplace_back(own);
  std::transform(names.begin(), names.end(), names.begin(), [](std::string name) {
    for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
    return name;
  });
  return names;
}

Recipe make_recipe(const RecipeRequest& request) {
  const std::string name = canonical_name(request.type);
  const bool int4 = name == "INT4", four_float = name == "NF4" || name == "FP4";
  if (!int4 && (request.group != 0 || request.asymmetric)) {
    throw_usage("--group and --asymmetric belong to --type int4, not to {}, whose blocks are fixed",
                request.type);
  }
  if (!four_float && request.double_quant) {
    throw_usage("--double-quant belongs to --type nf4 and fp4, not to {}", request.type);
  }
  if (name == "INT8") return own_recipe(DType::INT8);
  if (name == "NF4") return own_recipe(request.double_quant ? DType::NF4_DQ : DType::NF4);
  if (name == "FP4") return own_recipe(request.double_quant ? DType::FP4_DQ : DType::FP4);
  if (int4) return own_recipe(int4_dtype(request));
  if (const Named* named = find_named(name)) return {name, named->weights, named->mixed};
  if (const auto own = dtype_from_name(name)) return own_recipe(*own);
  throw_usage("unknown type '{}'; use one of {}", request.type, fmt::join(recipe_names(), ", "));
}

RecipeChoice recipe_choice(const Recipe& recipe, const ModelConfig& config, const TensorView& tensor) {
  if (tensor.shape.size() < 2) return {DType::F32, std::nullopt};
  const DType wanted = matrix_dtype(recipe, config, tensor);
  const DType dtype = fallback_dtype(wanted, tensor.cols());
  return {dtype, dtype != wanted ? std::optional(wanted) : std::nullopt};
}

void set_tensor_types(Recipe& recipe, const std::string& pattern, DType dtype,
                      const std::vector<TensorView>& tensors) {
  std::regex expression;
  try {
    expression.assign(pattern);
  } catch (const std::regex_error& error) {
    throw_usage("--tensor-type {}: '{}' is no regular expression: {}", pattern, pattern, error.what());
  }
  bool found = false;
  for (const TensorView& tensor : tensors) {
    if (tensor.shape.size() < 2 || !std::regex_search(tensor.name, expression)) continue;
    recipe.tensors[tensor.name].dtype = dtype;
    found = true;
  }
  if (!found)
    throw_usage(
        "--tensor-type {}: no matrix of this model has such a name; 'nibble inspect --tensors' lists them, "
        "and norms and biases stay F32",
        pattern);
}

std::string type_counts(const std::vector<DType>& types) {
  std::map<DType, size_t> counts;
  for (const DType type : types) ++counts[type];
  std::string text;
  for (const auto& [dtype, count] : counts) {
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, dtype_name(dtype));
  }
  return text;
}

std::optional<uint32_t> gguf_file_type(const Recipe& recipe) {
  if (!recipe.tensors.empty()) return std::nullopt;
  const Named* named = find_named(recipe.name);
  return named ? std::optional(named->file_type) : std::nullopt;
}

}  // namespace nibble
