#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "optimize/analysis.h"

namespace nibble {

/// {"tensors": [...]} of every matrix and its candidates' types, methods, bytes, losses and seconds.
nlohmann::ordered_json to_json(const Analysis& analysis);
/// Throws Error naming the file and what does not fit: no analysis, a matrix that the model has not or that
/// is missing, a size that is not the type's.
Analysis analysis_from_json(const nlohmann::ordered_json& json, const std::string& file,
                            const Checkpoint& checkpoint);

/// analysis.json, with which other bounds can be tried without analysing again: that, the calibration that it
/// was made with, and a checksum of the model's tensors.
void write_analysis(const std::filesystem::path& path, const SavedAnalysis& saved,
                    const Checkpoint& checkpoint);
/// Throws Error as analysis_from_json() does, and where the model's weights are others.
SavedAnalysis read_analysis(const std::filesystem::path& path, const Checkpoint& checkpoint);

}  // namespace nibble
