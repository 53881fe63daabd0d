#include "optimize/candidates.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "quantize/block_grid.h"

namespace nibble {

namespace {

constexpr DType kStandard[] = {DType::Q2_K, DType::Q3_K, DType::IQ4_XS, DType::Q4_0, DType::IQ4_NL,
                               DType::Q4_1, DType::Q4_K, DType::Q5_0,   DType::Q5_1, DType::Q5_K,
                               DType::Q6_K, DType::Q8_0, DType::F16};
constexpr DType kOwn[] = {DType::INT4_G128, DType::INT4_G64, DType::UINT4_G128,
                          DType::UINT4_G64, DType::NF4_DQ,   DType::NF4};

DType named(const std::string& name) {
  const auto dtype = dtype_from_name(name);
  if (!dtype)
    throw_usage("--types: '{}' is no tensor type; there is {}, or all and standard", name,
                dense_type_names());
  if (const auto dense = dense_dtype(*dtype)) {
    throw_usage("--types: {} holds pruned matrices alone: name {}", name, dtype_name(*dense));
  }
  return *dtype;
}

/// A type, or those that "standard" and "all" stand for.
std::vector<DType> types_named(const std::string& name) {
  if (name == "standard" || name == "all") return default_types(name == "all");
  return {named(name)};
}

}  // namespace

std::vector<DType> default_types(bool own) {
  std::vector<DType> types(std::begin(kStandard), std::end(kStandard));
  if (own) types.insert(types.end(), std::begin(kOwn), std::end(kOwn));
  return types;
}

std::vector<DType> parse_types(const std::string& text) {
  std::vector<DType> types;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const bool leave_out = part.starts_with("-");
    for (const DType dtype : types_named(leave_out ? part.substr(1) : part)) {
      std::erase(types, dtype);
      if (!leave_out) types.push_back(dtype);
    }
  }
  if (types.empty()) throw_usage("--types {}: no type is left to choose from", text);
  return types;
}

std::vector<TensorRecipe> candidates_of(const CandidateOptions& options, const TensorView& tensor) {
  std::vector<TensorRecipe> candidates;
  for (const DType dtype : options.types) {
    if (!tensor_bytes(dtype, tensor.rows(), tensor.cols())) continue;
    const bool codes = options.gptq && has_grid(dtype);
    if (options.nearest || !codes || tensor.name == "token_embd.weight") candidates.push_back({dtype, true});
    if (codes) candidates.push_back({dtype, false});
  }
  if (candidates.empty()) candidates.push_back({DType::F16, true});
  return candidates;
}

}  // namespace nibble
