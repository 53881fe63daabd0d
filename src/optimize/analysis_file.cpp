#include "optimize/analysis_file.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <span>
#include <string>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "model/source_stamp.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

constexpr const char *kModel = "model_checksum", *kCalibration = "calibration";

/// Of names, types and a sample of each tensor, so that a large model need not be read.
std::string checksum_of(const Checkpoint& checkpoint) {
  uint64_t hash = kFnv1aBasis;
  for (const TensorView& tensor : checkpoint.tensors()) {
    const std::string what =
        fmt::format("{} {} {:016x}", tensor.name, dtype_name(tensor.dtype), sample_hash(tensor));
    hash = fnv1a(std::as_bytes(std::span(what)), hash);
  }
  return fmt::format("{:016x}", hash);
}

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

void write_analysis(const std::filesystem::path& path, const SavedAnalysis& saved,
                    const Checkpoint& checkpoint) {
  ordered_json json = {{kModel, checksum_of(checkpoint)}, {kCalibration, to_json(saved.calibration)}};
  json.update(to_json(saved.analysis));
  write_file(path, json.dump(1) + "\n");
}

SavedAnalysis read_analysis(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  const std::string file = path.string();
  const ordered_json json = ordered_json::parse(read_file(path), nullptr, false);
  Analysis analysis = analysis_from_json(json, file, checkpoint);
  if (!json.contains(kModel) || !json.contains(kCalibration)) {
    fail("{}: it was written by an earlier version of nibble: analyse anew, without --analysis", file);
  }
  if (json[kModel] != checksum_of(checkpoint)) {
    fail("{}: it was made for other weights of the same shape: analyse this model, without --analysis", file);
  }
  return {std::move(analysis), calibration_from_json(json[kCalibration], file)};
}

}  // namespace nibble
