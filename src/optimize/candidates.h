#pragma once

#include <string>
#include <vector>

#include "calibrate/recipe.h"
#include "tensor/tensor_view.h"

namespace nibble {

/// What `optimize` may choose from.
struct CandidateOptions {
  std::vector<DType> types;          ///< default_types(), unless others are asked for
  bool gptq = true, nearest = true;  ///< methods
};

/// The types that are worth trying: all that GGUF programs read, and with `own` nibble's as well.
std::vector<DType> default_types(bool own);

/// "standard", "all", or names separated by commas; those behind a minus are left out: "all,-q4_1,-q5_1".
/// Throws UsageError naming what is unknown.
std::vector<DType> parse_types(const std::string& text);

/// The ways in which a matrix may be written: types whose blocks divide its rows, each rounded to nearest
/// (weighted by its inputs' second moments) and by GPTQ where the type takes codes. A type that no other can
/// replace, when none of `types` fits the rows, is F16.
std::vector<TensorRecipe> candidates_of(const CandidateOptions& options, const TensorView& tensor);

}  // namespace nibble
