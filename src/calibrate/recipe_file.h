#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "calibrate/calibration_data.h"
#include "calibrate/recipe.h"

namespace nibble {

/// A quantization written down so that it can be repeated bit for bit (docs/formats.md):
///   {"nibble_recipe": 1, "name": "...", "type": "q4_0", "method": "gptq",
///    "calibration": {"source": "self", "sequences": 32, "tokens": 512, "seed": 1},
///    "tensors": {"blk.0.attn_q.weight": "q5_0", "blk.0.attn_v.weight": {"type": "q8_0", "method": "rtn"}}}
/// `type` is what --type takes, or the name of a tensor type; tensors that are not listed become that.
struct RecipeFile {
  Recipe recipe;
  std::string type;            ///< of the tensors that are not listed
  std::string method = "rtn";  ///< as --method names it
  struct Calibration {
    CalibrationOptions options;
    uint64_t seed = 1;  ///< of the text that the model writes itself
  };
  std::optional<Calibration> calibration;
};

/// Throws Error naming the file, the key and what stands there.
RecipeFile read_recipe(const std::filesystem::path& path);

nlohmann::ordered_json to_json(const RecipeFile& recipe);

/// The "calibration" of a recipe by itself; `file` begins the errors.
nlohmann::ordered_json to_json(const RecipeFile::Calibration& calibration);
RecipeFile::Calibration calibration_from_json(const nlohmann::ordered_json& json, const std::string& file);

}  // namespace nibble
