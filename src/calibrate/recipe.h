#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_config.h"
#include "tensor/dtype.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// What a recipe says of a single tensor.
struct TensorRecipe {
  DType dtype;
  bool nearest = false;  ///< rounded to nearest where the other tensors are calibrated code by code
  bool operator==(const TensorRecipe&) const = default;
};

/// Which type each tensor of a model is written as.
struct Recipe {
  std::string name;    ///< as the user named it, upper case: "Q4_0", "Q4_K_M", "NF4_DQ"
  DType weights;       ///< what most matrices become
  bool mixed = false;  ///< one of llama.cpp's mixes, which spends more bits on the sensitive tensors
  std::optional<DType> embedding;               ///< token_embd.weight; default: as the other weights
  std::optional<DType> output;                  ///< output.weight, or the embedding when it is tied to it;
                                                ///< default: Q6_K for types of fewer bits
  bool pure = false;                            ///< every matrix becomes `weights`
  std::map<std::string, TensorRecipe> tensors;  ///< by name; comes before all else
};

/// What the command line says.
struct RecipeRequest {
  std::string type;           ///< "q4_0", "q4_k_m", "int4", "nf4", ...
  uint32_t group = 0;         ///< int4: 32, 64 or 128 (default 128)
  bool asymmetric = false;    ///< int4: with a minimum per group
  bool double_quant = false;  ///< nf4, fp4
};

/// Throws Error that names what is unknown or contradictory and lists what there is.
Recipe make_recipe(const RecipeRequest& request);

/// Every spelling that make_recipe takes as a type.
std::vector<std::string> recipe_names();

struct RecipeChoice {
  DType dtype;
  std::optional<DType> fallback;  ///< what the recipe names, where the rows do not divide by its block
};

/// The type of one tensor under the recipe, after the fallback for rows that do not divide by its block
/// (quantize/fallback.h). Vectors (norms, biases, rope factors) stay F32.
RecipeChoice recipe_choice(const Recipe& recipe, const ModelConfig& config, const TensorView& tensor);

/// Gives all matrices of the model whose names match a regular expression (ECMAScript, anywhere in the name)
/// a type of their own, as llama-quantize's --tensor-type does. Throws UsageError for an expression that
/// can't be read or matches none.
void set_tensor_types(Recipe& recipe, const std::string& pattern, DType dtype,
                      const std::vector<TensorView>& tensors);

/// "210 x Q4_0, 1 x Q8_0, 61 x F32"
std::string type_counts(const std::vector<DType>& types);

/// GGUF's general.file_type of a recipe; nothing for nibble's own types, nor where single tensors have
/// types of their own.
std::optional<uint32_t> gguf_file_type(const Recipe& recipe);

}  // namespace nibble
