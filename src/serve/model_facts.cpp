#include "serve/model_facts.h"

#include "base/error.h"
#include "model/checkpoint.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

/// Figures that `nibble optimize` measures and writes into its file; null when there are none.
Json measured_figures(const GgufMetadata& metadata) {
  Json figures = Json::object();
  const auto number = [&](const char* key) {
    return metadata.get_float(std::string("nibble.optimize.") + key);
  };
  if (const auto kld = number("kld")) figures["kld"] = *kld;
  if (const auto error = number("kld_stderr")) figures["kld_stderr"] = *error;
  const auto perplexity = number("perplexity"), base = number("base_perplexity");
  if (perplexity) figures["perplexity"] = *perplexity;
  if (perplexity && base && *base > 0) figures["perplexity_ratio"] = *perplexity / *base;
  if (const auto arc = number("arc")) figures["arc"] = *arc;
  if (const auto arc = number("base_arc")) figures["base_arc"] = *arc;
  if (const auto text = metadata.get_string("nibble.optimize.text")) figures["text"] = *text;
  return figures.empty() ? Json() : figures;
}

/// The recipe the file was made with, or the type of most of its weights.
std::string type_of(const Checkpoint& checkpoint) {
  if (checkpoint.gguf()) {
    if (const auto name = checkpoint.gguf()->metadata().get_string("nibble.quantize.type")) return *name;
  }
  std::map<DType, uint64_t> bytes;
  for (const TensorView& tensor : checkpoint.tensors()) bytes[tensor.dtype] += tensor.data.size();
  DType most = DType::F32;
  for (const auto& [dtype, size] : bytes) {
    if (size > bytes[most]) most = dtype;
  }
  return std::string(dtype_name(most));
}

Json read_facts(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::open(path);
  Json facts = {{"bytes", checkpoint->file_bytes()},
                {"bits_per_weight", checkpoint->bits_per_weight()},
                {"type", type_of(*checkpoint)},
                {"architecture", checkpoint->config().architecture},
                {"parameters", checkpoint->parameters()},
                {"context", checkpoint->config().context_length},
                {"figures", checkpoint->gguf() ? measured_figures(checkpoint->gguf()->metadata()) : Json()}};
  checkpoint->release_all();
  return facts;
}

}  // namespace

Json ModelFacts::of(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto changed = std::filesystem::last_write_time(path, ignored);
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(path);
  if (found != known_.end() && found->second.changed == changed) return found->second.facts;
  Json facts;
  try {
    facts = read_facts(path);
  } catch (const std::exception& error) {
    facts = {{"error", error.what()}};
  }
  known_[path] = {changed, facts};
  return facts;
}

}  // namespace nibble
