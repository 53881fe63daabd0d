#include "model/gguf_config.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace nibble {

namespace {

constexpr const char* kDynamicFactor = "nibble.rope.dynamic_factor";
constexpr const char* kDynamicContext = "nibble.rope.dynamic_original_context";

/// Keys that change the computation in ways nibble does not know, with the value that changes nothing.
struct UnsupportedKey {
  std::string_view suffix;
  double neutral;
  std::string_view feature;
};
constexpr std::array kUnsupportedKeys = {
    UnsupportedKey{"expert_count", 0, "a mixture of experts"},
    UnsupportedKey{"attn_logit_softcapping", 0, "attention logit soft-capping"},
    UnsupportedKey{"final_logit_softcapping", 0, "final logit soft-capping"},
    UnsupportedKey{"logit_scale", 1, "a logit scale"},
    UnsupportedKey{"embedding_scale", 1, "an embedding scale"},
    UnsupportedKey{"residual_scale", 1, "a residual scale"},
    UnsupportedKey{"attention.scale", 0, "an attention scale of its own"},
    UnsupportedKey{"attention.clamp_kqv", 0, "clamped queries, keys and values"},
    UnsupportedKey{"attention.max_alibi_bias", 0, "ALiBi positions"},
    UnsupportedKey{"attention.temperature_scale", 0, "attention temperature scaling"},
    UnsupportedKey{"nextn_predict_layers", 0, "layers for multi-token prediction"},
    UnsupportedKey{"rope.scaling.alpha", 1, "rope scaling by alpha"},
    UnsupportedKey{"rope.scaling.yarn_log_multiplier", 0, "a YaRN log multiplier"},
};

/// What llama.cpp multiplies YaRN's attention factor from when the file gives one.
float yarn_default_attention_factor(float factor) {
  return factor > 1 ? 0.1f * std::log(factor) + 1.0f : 1.0f;
}

class GgufConfigReader {
 public:
  GgufConfigReader(const GgufFile& file, const std::string& name)
      : file_(file), metadata_(file.metadata()), name_(name) {}

  ModelConfig read() {
    refuse_split_file();
    read_architecture();
    refuse_unsupported();
    read_dimensions();
    read_rope();
    read_tensors();
    check_config(config_, name_);
    return std::move(config_);
  }

 private:
  void refuse_split_file() const;
  void read_architecture();
  void refuse_unsupported() const;
  void read_dimensions();
  void read_rope();
  void read_rope_scaling();
  void read_yarn();
  void read_tensors();
  void read_freq_factors(const TensorView& tensor);

  std::string key(std::string_view suffix) const { return fmt::format("{}.{}", prefix_, suffix); }
  /// An integer that may also be given per layer, when all layers have the same.
  std::optional<uint32_t> count(std::string_view suffix) const;
  uint32_t need_count(std::string_view suffix) const;
  float number(std::string_view suffix, float otherwise) const {
    return float(metadata_.get_float(key(suffix)).value_or(otherwise));
  }
  const TensorView* find(std::string_view tensor) const;

  const GgufFile& file_;
  const GgufMetadata& metadata_;
  const std::string& name_;
  std::string prefix_;
  ModelConfig config_;
};

void GgufConfigReader::refuse_split_file() const {
  const uint64_t parts = metadata_.get_uint("split.count").value_or(1);
  if (parts > 1) {
    fail("{} is one of {} parts of a split model; join them first with llama-gguf-split --merge", name_,
         parts);
  }
}

void GgufConfigReader::read_architecture() {
  const auto architecture = metadata_.get_string("general.architecture");
  if (!architecture)
    fail("{}: metadata key general.architecture is missing; this is no language model", name_);
  prefix_ = *architecture;
  // Some converters name Mistral, which GGUF writes as llama.
  config_.architecture = prefix_ == "mistral" ? "llama" : prefix_;
  if (config_.architecture != "llama" && config_.architecture != "qwen2" && config_.architecture != "qwen3") {
    fail("{}: architecture {} is not supported; nibble runs {}", name_, prefix_, kSupportedArchitectures);
  }
  config_.name = metadata_.get_string("general.name").value_or("");
}

void GgufConfigReader::refuse_unsupported() const {
  for (const UnsupportedKey& unsupported : kUnsupportedKeys) {
    const auto value = metadata_.get_float(key(unsupported.suffix));
    // Zero stands for "not used" in all of them.
    if (value && *value != unsupported.neutral && *value != 0) {
      fail("{}: {} is {}: nibble does not run models with {}", name_, key(unsupported.suffix), *value,
           unsupported.feature);
    }
  }
  if (!metadata_.get_bool(key("attention.causal")).value_or(true)) {
    fail("{}: {} is false: nibble runs only models that read left to right", name_, key("attention.causal"));
  }
  if (metadata_.contains(key("attention.sliding_window_pattern"))) {
    fail("{}: {} is set: nibble does not run models whose layers differ in their attention window", name_,
         key("attention.sliding_window_pattern"));
  }
}

std::optional<uint32_t> GgufConfigReader::count(std::string_view suffix) const {
  const std::string name = key(suffix);
  const GgufValue* value = metadata_.find(name);
  if (!value) return std::nullopt;
  uint64_t number = 0;
  if (std::holds_alternative<GgufArray>(*value)) {
    const auto layers = metadata_.get_ints(name);
    if (layers->empty()) fail("{}: metadata key {} is an empty array", name_, name);
    for (const int64_t layer : *layers) {
      if (layer == layers->front()) continue;
      fail("{}: {} differs between layers ({} and {}), which nibble does not run", name_, name,
           layers->front(), layer);
    }
    if (layers->front() < 0)
      fail("{}: metadata key {} is {}; it can't be negative", name_, name, layers->front());
    number = uint64_t(layers->front());
  } else {
    number = *metadata_.get_uint(name);
  }
  if (number > uint64_t(std::numeric_limits<int32_t>::max())) {
    fail("{}: metadata key {} is {}, which no model has", name_, name, number);
  }
  return uint32_t(number);
}

uint32_t GgufConfigReader::need_count(std::string_view suffix) const {
  const auto value = count(suffix);
  if (!value)
    fail("{}: metadata key {} is missing; the file does not describe its model", name_, key(suffix));
  if (*value == 0) fail("{}: metadata key {} is 0", name_, key(suffix));
  return *value;
}

void GgufConfigReader::read_dimensions() {
  ModelConfig& c = config_;
  c.n_layers = need_count("block_count");
  c.context_length = need_count("context_length");
  c.hidden = need_count("embedding_length");
  c.ffn = need_count("feed_forward_length");
  c.n_heads = need_count("attention.head_count");
  c.n_kv_heads = count("attention.head_count_kv").value_or(c.n_heads);
  if (const auto head_dim = count("attention.key_length")) {
    c.head_dim = *head_dim;
  } else if (c.hidden % c.n_heads == 0) {
    c.head_dim = c.hidden / c.n_heads;
  } else {
    fail("{}: {} {} is no multiple of {} {}, and {} is missing", name_, key("embedding_length"), c.hidden,
         key("attention.head_count"), c.n_heads, key("attention.key_length"));
  }
  const uint32_t value_dim = count("attention.value_length").value_or(c.head_dim);
  if (value_dim != c.head_dim) {
    fail("{}: {} is {} but {} is {}; nibble runs models where they are equal", name_,
         key("attention.value_length"), value_dim, key("attention.key_length"), c.head_dim);
  }
  const auto eps = metadata_.get_float(key("attention.layer_norm_rms_epsilon"));
  if (!eps) fail("{}: metadata key {} is missing", name_, key("attention.layer_norm_rms_epsilon"));
  c.norm_eps = float(*eps);
  c.sliding_window = count("attention.sliding_window").value_or(0);
}

void GgufConfigReader::read_rope() {
  config_.rope.layout = config_.architecture == "llama" ? RopeLayout::interleaved : RopeLayout::halves;
  config_.rope.theta = number("rope.freq_base", 10000.0f);
  config_.rope.dims = count("rope.dimension_count").value_or(config_.head_dim);
  read_rope_scaling();
}

void GgufConfigReader::read_rope_scaling() {
  RopeConfig& rope = config_.rope;
  if (const auto dynamic = metadata_.get_float(kDynamicFactor)) {
    rope.scaling = RopeScaling::dynamic;
    rope.factor = float(*dynamic);
    rope.original_context = uint32_t(metadata_.get_uint(kDynamicContext).value_or(config_.context_length));
    return;
  }
  // The keys' defaults are llama.cpp's: a factor without a type is linear.
  const std::string type = metadata_.get_string(key("rope.scaling.type")).value_or("linear");
  const float factor = number("rope.scaling.factor", number("rope.scale_linear", 0.0f));
  if (type == "yarn") {
    rope.factor = factor == 0 ? 1.0f : factor;
    return read_yarn();
  }
  if (type != "linear" && type != "none") {
    fail("{}: {} is {}; nibble runs none, linear and yarn", name_, key("rope.scaling.type"), type);
  }
  if (number("rope.scaling.attn_factor", 1.0f) != 1.0f) {
    fail("{}: {} is set without YaRN, which nibble does not run", name_, key("rope.scaling.attn_factor"));
  }
  if (type == "linear" && factor != 0 && factor != 1) {
    rope.scaling = RopeScaling::linear;
    rope.factor = factor;
    rope.original_context = count("rope.scaling.original_context_length").value_or(0);
  }
}

void GgufConfigReader::read_yarn() {
  RopeConfig& rope = config_.rope;
  rope.scaling = RopeScaling::yarn;
  rope.original_context = count("rope.scaling.original_context_length").value_or(config_.context_length);
  rope.beta_fast = number("rope.scaling.yarn_beta_fast", rope.beta_fast);
  rope.beta_slow = number("rope.scaling.yarn_beta_slow", rope.beta_slow);
  const float ext_factor = number("rope.scaling.yarn_ext_factor", 1.0f);
  if (ext_factor != 1.0f) {
    fail("{}: {} is {}; nibble runs YaRN with 1", name_, key("rope.scaling.yarn_ext_factor"), ext_factor);
  }
  // In GGUF the factor multiplies YaRN's own 0.1 ln(factor) + 1.
  const float attn_factor = number("rope.scaling.yarn_attn_factor", number("rope.scaling.attn_factor", 1.0f));
  if (attn_factor != 1.0f) rope.attention_factor = attn_factor * yarn_default_attention_factor(rope.factor);
}

const TensorView* GgufConfigReader::find(std::string_view tensor) const {
  for (const TensorView& view : file_.tensors()) {
    if (view.name == tensor) return &view;
  }
  return nullptr;
}

void GgufConfigReader::read_tensors() {
  const TensorView* embedding = find("token_embd.weight");
  if (!embedding) fail("{}: tensor token_embd.weight is missing; the file is no complete model", name_);
  if (embedding->shape.size() != 2 || embedding->rows() > uint64_t(std::numeric_limits<int32_t>::max())) {
    fail("{}: tensor token_embd.weight has the shape [{}], not [vocabulary, {}]", name_,
         fmt::join(embedding->shape, ", "), config_.hidden);
  }
  config_.vocab = uint32_t(embedding->rows());
  config_.tied_embeddings = find("output.weight") == nullptr;
  config_.qkv_bias = find("blk.0.attn_q.bias") != nullptr;
  config_.output_bias = find("blk.0.attn_output.bias") != nullptr;
  config_.qk_norm = config_.architecture == "qwen3";
  if (const TensorView* factors = find("rope_freqs.weight")) read_freq_factors(*factors);
  if (const auto* tokens = metadata_.get_strings("tokenizer.ggml.tokens");
      tokens && tokens->size() > config_.vocab) {
    fail("{}: tokenizer.ggml.tokens has {} tokens, but tensor token_embd.weight only {} rows", name_,
         tokens->size(), config_.vocab);
  }
}

void GgufConfigReader::read_freq_factors(const TensorView& tensor) {
  if (tensor.dtype != DType::F32 || tensor.shape != std::vector<uint64_t>{config_.rope.dims / 2}) {
    fail("{}: tensor rope_freqs.weight is {} of shape [{}], but F32 of shape [{}] is needed", name_,
         dtype_name(tensor.dtype), fmt::join(tensor.shape, ", "), config_.rope.dims / 2);
  }
  config_.rope.freq_factors.resize(tensor.cols());
  std::memcpy(config_.rope.freq_factors.data(), tensor.data.data(), tensor.data.size());
}

}  // namespace

ModelConfig read_config(const GgufFile& file, const std::string& name) {
  return GgufConfigReader(file, name).read();
}

void check_config(const ModelConfig& c, const std::string& name) {
  const auto positive = [](float x) { return std::isfinite(x) && x > 0; };
  if (c.n_kv_heads == 0 || c.n_heads % c.n_kv_heads != 0) {
    fail("{}: {} attention heads cannot share {} key-value heads evenly", name, c.n_heads, c.n_kv_heads);
  }
  if (c.head_dim == 0 || uint64_t(c.n_heads) * c.head_dim > uint64_t(std::numeric_limits<int32_t>::max())) {
    fail("{}: {} attention heads of {} elements are not possible", name, c.n_heads, c.head_dim);
  }
  const RopeConfig& rope = c.rope;
  if (rope.dims == 0 || rope.dims % 2 != 0 || rope.dims > c.head_dim) {
    fail("{}: rotary embedding over {} of {} elements of a head is not possible", name, rope.dims,
         c.head_dim);
  }
  if (!positive(rope.theta) || !positive(rope.factor)) {
    fail("{}: rotary embedding with base {} and scaling factor {} is not possible", name, rope.theta,
         rope.factor);
  }
  if (rope.scaling == RopeScaling::llama3 &&
      !(positive(rope.low_freq_factor) && rope.high_freq_factor > rope.low_freq_factor)) {
    fail("{}: llama3 rope scaling needs 0 < low_freq_factor < high_freq_factor, but they are {} and {}", name,
         rope.low_freq_factor, rope.high_freq_factor);
  }
  if (rope.scaling == RopeScaling::yarn && !(positive(rope.beta_slow) && rope.beta_fast > rope.beta_slow)) {
    fail("{}: YaRN needs 0 < beta_slow < beta_fast, but they are {} and {}", name, rope.beta_slow,
         rope.beta_fast);
  }
  if (rope.attention_factor && !positive(*rope.attention_factor)) {
    fail("{}: YaRN's attention factor is {}", name, *rope.attention_factor);
  }
  const bool needs_original = rope.scaling == RopeScaling::dynamic || rope.scaling == RopeScaling::llama3 ||
                              rope.scaling == RopeScaling::yarn;
  if (needs_original && rope.original_context == 0) {
    fail("{}: rope scaling needs the length of the original context, but it is 0", name);
  }
  for (size_t i = 0; i < rope.freq_factors.size(); ++i) {
    if (!positive(rope.freq_factors[i])) {
      fail("{}: tensor rope_freqs.weight holds {} at element {}; factors must be positive", name,
           rope.freq_factors[i], i);
    }
  }
  if (!std::isfinite(c.norm_eps) || c.norm_eps < 0 || c.norm_eps >= 1) {
    fail("{}: the norms' epsilon is {}; it must lie in [0, 1)", name, c.norm_eps);
  }
}

void write_config(const ModelConfig& c, GgufMetadata& metadata) {
  metadata.set("general.architecture", c.architecture);
  if (!c.name.empty()) metadata.set("general.name", c.name);
  const auto set = [&](std::string_view suffix, GgufValue value) {
    metadata.set(fmt::format("{}.{}", c.architecture, suffix), std::move(value));
  };
  set("block_count", c.n_layers);
  set("context_length", c.context_length);
  set("embedding_length", c.hidden);
  set("feed_forward_length", c.ffn);
  set("attention.head_count", c.n_heads);
  set("attention.head_count_kv", c.n_kv_heads);
  if (uint64_t(c.head_dim) * c.n_heads != c.hidden) {
    set("attention.key_length", c.head_dim);
    set("attention.value_length", c.head_dim);
  }
  set("attention.layer_norm_rms_epsilon", c.norm_eps);
  if (c.sliding_window > 0) set("attention.sliding_window", c.sliding_window);
  set("vocab_size", c.vocab);
  set("rope.freq_base", c.rope.theta);
  set("rope.dimension_count", c.rope.dims);
  switch (c.rope.scaling) {
    case RopeScaling::none:
    case RopeScaling::llama3:
      break;
    case RopeScaling::dynamic:
      metadata.set(kDynamicFactor, c.rope.factor);
      metadata.set(kDynamicContext, c.rope.original_context);
      break;
    case RopeScaling::linear:
      set("rope.scaling.type", std::string("linear"));
      set("rope.scaling.factor", c.rope.factor);
      if (c.rope.original_context > 0) set("rope.scaling.original_context_length", c.rope.original_context);
      break;
    case RopeScaling::yarn:
      set("rope.scaling.type", std::string("yarn"));
      set("rope.scaling.factor", c.rope.factor);
      set("rope.scaling.original_context_length", c.rope.original_context);
      set("rope.scaling.yarn_beta_fast", c.rope.beta_fast);
      set("rope.scaling.yarn_beta_slow", c.rope.beta_slow);
      if (c.rope.attention_factor) {
        set("rope.scaling.attn_factor",
            *c.rope.attention_factor / yarn_default_attention_factor(c.rope.factor));
      }
      break;
  }
}

}  // namespace nibble
