#include "cli/inspect_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/cpu.h"
#include "base/file.h"
#include "kernels/registry.h"

namespace nibble {

namespace {

using nlohmann::ordered_json;

/// Metadata of nibble's own, such as the recipe a file was made with.
constexpr std::string_view kOwnPrefix = "nibble.";

std::vector<TypeSummary> summarize_types(const Checkpoint& checkpoint) {
  std::map<DType, TypeSummary> types;
  for (const TensorView& tensor : checkpoint.tensors()) {
    TypeSummary& type = types[tensor.dtype];
    type.dtype = tensor.dtype;
    ++type.tensors;
    type.parameters += tensor.elements();
    type.bytes += tensor.data.size();
    if (tensor.shape.size() > 1) type.kernel = select_kernel(tensor.dtype, selected_isa()).name;
  }
  std::vector<TypeSummary> sorted;
  for (auto& [dtype, type] : types) sorted.push_back(std::move(type));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const TypeSummary& a, const TypeSummary& b) { return a.bytes > b.bytes; });
  return sorted;
}

std::string gguf_tokenizer(const GgufMetadata& metadata) {
  const auto* tokens = metadata.get_strings("tokenizer.ggml.tokens");
  if (!tokens) return "";
  std::string text = metadata.get_string("tokenizer.ggml.model").value_or("unknown kind");
  if (const auto pre = metadata.get_string("tokenizer.ggml.pre")) text += fmt::format(" ({})", *pre);
  return text + fmt::format(", {} tokens", tokens->size());
}

std::string directory_tokenizer(const std::filesystem::path& directory) {
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (std::filesystem::exists(directory / name)) return name;
  }
  return "";
}

bool directory_has_template(const std::filesystem::path& directory) {
  if (std::filesystem::exists(directory / "chat_template.jinja")) return true;
  const auto config = directory / "tokenizer_config.json";
  return std::filesystem::exists(config) && read_file(config).find("\"chat_template\"") != std::string::npos;
}

std::string_view scaling_name(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::none:
      return "none";
    case RopeScaling::linear:
      return "linear";
    case RopeScaling::dynamic:
      return "dynamic";
    case RopeScaling::llama3:
      return "llama3";
    case RopeScaling::yarn:
      return "yarn";
  }
  return "";
}

ordered_json value_json(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) {
          return std::visit([](const auto& elements) { return ordered_json(elements); }, v.values);
        } else {
          return v;
        }
      },
      value);
}

/// The double that prints as the float does: 1e-05 and not 9.999999747378752e-06.
double shortest(float value) {
  return std::stod(fmt::format("{}", value));
}

ordered_json config_json(const ModelConfig& c) {
  return {{"layers", c.n_layers},
          {"hidden", c.hidden},
          {"ffn", c.ffn},
          {"heads", c.n_heads},
          {"kv_heads", c.n_kv_heads},
          {"head_dim", c.head_dim},
          {"vocab", c.vocab},
          {"context_length", c.context_length},
          {"sliding_window", c.sliding_window},
          {"norm_eps", shortest(c.norm_eps)},
          {"rope_theta", shortest(c.rope.theta)},
          {"rope_dims", c.rope.dims},
          {"rope_scaling", scaling_name(c.rope.scaling)},
          {"rope_factor", shortest(c.rope.factor)},
          {"rope_layout", c.rope.layout == RopeLayout::interleaved ? "interleaved" : "halves"},
          {"rope_frequency_factors", !c.rope.freq_factors.empty()},
          {"qkv_bias", c.qkv_bias},
          {"output_bias", c.output_bias},
          {"qk_norm", c.qk_norm},
          {"tied_embeddings", c.tied_embeddings}};
}

ordered_json types_json(const InspectReport& report) {
  ordered_json types = ordered_json::array();
  for (const TypeSummary& type : report.types) {
    types.push_back({{"type", dtype_name(type.dtype)},
                     {"tensors", type.tensors},
                     {"parameters", type.parameters},
                     {"bytes", type.bytes},
                     {"bits_per_weight", type.bits_per_weight()},
                     {"kernel", type.kernel}});
  }
  return types;
}

ordered_json tensors_json(const Checkpoint& checkpoint) {
  ordered_json tensors = ordered_json::array();
  for (const TensorView& tensor : checkpoint.tensors()) {
    tensors.push_back({{"name", tensor.name},
                       {"type", dtype_name(tensor.dtype)},
                       {"shape", tensor.shape},
                       {"bytes", tensor.data.size()}});
  }
  return tensors;
}

}  // namespace

InspectReport inspect(const Checkpoint& checkpoint, uint32_t context, KvType kv_type) {
  InspectReport report;
  report.types = summarize_types(checkpoint);
  if (const GgufFile* gguf = checkpoint.gguf()) {
    report.tokenizer = gguf_tokenizer(gguf->metadata());
    report.chat_template = gguf->metadata().contains("tokenizer.chat_template");
  } else {
    report.tokenizer = directory_tokenizer(checkpoint.path());
    report.chat_template = directory_has_template(checkpoint.path());
  }
  report.context = context;
  report.kv_type = kv_type;
  report.memory = plan_memory(checkpoint, context, kv_type);
  return report;
}

ordered_json own_metadata(const Checkpoint& checkpoint) {
  ordered_json own = ordered_json::object();
  if (!checkpoint.gguf()) return own;
  for (const auto& [key, value] : checkpoint.gguf()->metadata().entries()) {
    if (key.starts_with(kOwnPrefix)) own[key] = value_json(value);
  }
  return own;
}

ordered_json inspect_json(const InspectReport& report, const Checkpoint& checkpoint, bool tensors) {
  ordered_json out = {
      {"path", checkpoint.path().string()},
      {"format", checkpoint.gguf() ? "gguf" : "huggingface"},
      {"architecture", checkpoint.config().architecture},
      {"name", checkpoint.config().name},
      {"parameters", checkpoint.parameters()},
      {"file_bytes", checkpoint.file_bytes()},
      {"tensor_bytes", checkpoint.tensor_bytes()},
      {"bits_per_weight", checkpoint.bits_per_weight()},
      {"config", config_json(checkpoint.config())},
      {"types", types_json(report)},
      {"tokenizer", report.tokenizer.empty() ? ordered_json() : ordered_json(report.tokenizer)},
      {"chat_template", report.chat_template},
      {"memory",
       {{"context", report.context},
        {"kv_type", kv_type_name(report.kv_type)},
        {"weights", report.memory.weights},
        {"kv_cache", report.memory.kv_cache},
        {"scratch", report.memory.scratch},
        {"program", report.memory.program},
        {"total", report.memory.total()}}},
      {"machine",
       {{"cpu", cpu_info().model},
        {"physical_cores", cpu_info().physical_cores},
        {"isa", isa_name(selected_isa())}}},
      {"metadata", own_metadata(checkpoint)}};
  if (tensors) out["tensors"] = tensors_json(checkpoint);
  return out;
}

}  // namespace nibble
