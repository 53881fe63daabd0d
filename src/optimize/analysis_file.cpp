#include "optimize/analysis_file.h"

#include <cmath>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

/// Reads one candidate of a matrix; false where something in it is not what it should be.
bool read_candidate(const ordered_json& json, const TensorView& tensor, CandidateLoss& candidate,
                    Choice& choice) {
  const std::string type = json.value("type", ""), method = json.value("method", "");
  const auto dtype = dtype_from_name(type);
  if (!dtype || (method != "rtn" && method != "gptq")) return false;
  const auto bytes = tensor_bytes(*dtype, tensor.rows(), tensor.cols());
  const double loss = json.value("kld", -1.0), seconds = json.value("seconds", -1.0);
  if (!bytes || json.value("bytes", uint64_t{0}) != *bytes) return false;
  if (!std::isfinite(loss) || loss < 0 || !std::isfinite(seconds) || seconds < 0) return false;
  candidate = {{*dtype, method == "rtn"}, *bytes, loss};
  choice = {*bytes, loss, seconds};
  return true;
}

void read_tensor(const ordered_json& json, const std::string& file, const Checkpoint& checkpoint,
                 Analysis& analysis) {
  const std::string name = json.value("name", "");
  const TensorView* tensor = checkpoint.find(name);
  if (tensor == nullptr || tensor->shape.size() < 2) {
    fail("{}: it names '{}', which is no matrix of this model: it was made for another one", file, name);
  }
  TensorLosses losses{name, {}};
  std::vector<Choice> choices;
  for (const ordered_json& one : json.value("candidates", ordered_json::array())) {
    CandidateLoss candidate;
    Choice choice;
    if (!read_candidate(one, *tensor, candidate, choice)) {
      fail("{}: a candidate of {} does not fit this model: {}", file, name, one.dump());
    }
    losses.candidates.push_back(candidate);
    choices.push_back(choice);
  }
  if (choices.empty()) fail("{}: {} has no candidates", file, name);
  analysis.tensors.push_back(std::move(losses));
  analysis.choices.push_back(std::move(choices));
}

}  // namespace

ordered_json to_json(const Analysis& analysis) {
  ordered_json tensors = ordered_json::array();
  for (size_t t = 0; t < analysis.tensors.size(); ++t) {
    ordered_json candidates = ordered_json::array();
    for (size_t c = 0; c < analysis.choices[t].size(); ++c) {
      const CandidateLoss& candidate = analysis.tensors[t].candidates[c];
      candidates.push_back({{"type", dtype_name(candidate.recipe.dtype)},
                            {"method", candidate.recipe.nearest ? "rtn" : "gptq"},
                            {"bytes", candidate.bytes},
                            {"kld", candidate.loss},
                            {"seconds", analysis.choices[t][c].seconds}});
    }
    tensors.push_back({{"name", analysis.tensors[t].name}, {"candidates", candidates}});
  }
  return {{"tensors", tensors}};
}

Analysis analysis_from_json(const ordered_json& json, const std::string& file, const Checkpoint& checkpoint) {
  if (!json.is_object() || !json.contains("tensors") || !json["tensors"].is_array()) {
    fail("{}: this is no analysis.json of 'nibble optimize --report'", file);
  }
  Analysis analysis;
  try {
    for (const ordered_json& tensor : json["tensors"]) read_tensor(tensor, file, checkpoint, analysis);
  } catch (const ordered_json::exception& error) {
    fail("{}: {}", file, error.what());
  }
  std::set<std::string> names;
  for (const TensorLosses& tensor : analysis.tensors) names.insert(tensor.name);
  for (const TensorView& tensor : checkpoint.tensors()) {
    if (tensor.shape.size() < 2 || names.count(tensor.name) > 0) continue;
    fail("{}: it says nothing of {}: it was made for another model", file, tensor.name);
  }
  return analysis;
}

Analysis read_analysis(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  return analysis_from_json(ordered_json::parse(read_file(path), nullptr, false), path.string(), checkpoint);
}

}  // namespace nibble
