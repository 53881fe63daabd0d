#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "serve/models.h"

namespace nibble {

/// What a job is to do, checked.
struct JobPlan {
  std::string kind, model;               ///< "quantize" or "optimize"; the model's id
  std::filesystem::path output, report;  ///< report: where optimize writes its findings, else empty
  std::vector<std::string> arguments;    ///< of the program, without its own path
};

/// Reads {kind, model, output, options}. The output lies among the models, and no option names a path outside
/// of them. Throws ApiError for what can't be used, 409 for an output that is there.
JobPlan plan_job(const nlohmann::ordered_json& body, const ModelHub& models);

/// What a line of progress says: "title: 42%, 3.1 layers/s, 1m05s left, note".
struct JobProgress {
  double share;  ///< 0 to 1
  std::string message;
  std::optional<double> eta_s;
};
std::optional<JobProgress> parse_progress(const std::string& line);

}  // namespace nibble
