#include "formats/hf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/json.h"

namespace nibble {

namespace {

using nlohmann::json;

struct Architecture {
  std::string_view class_name, model_type;
};
constexpr std::array kArchitectures = {
    Architecture{"LlamaForCausalLM", "llama"},     Architecture{"LLaMAForCausalLM", "llama"},
    Architecture{"MistralForCausalLM", "mistral"}, Architecture{"Qwen2ForCausalLM", "qwen2"},
    Architecture{"Qwen3ForCausalLM", "qwen3"},
};
constexpr std::string_view kSupported =
    "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM";

/// Keys that, when set to anything but null, false or 0, ask for what nibble does not run.
struct UnsupportedKey {
  const char* key;
  std::string_view feature;
};
constexpr std::array kUnsupportedKeys = {
    UnsupportedKey{"num_local_experts", "a mixture of experts"},
    UnsupportedKey{"num_experts", "a mixture of experts"},
    UnsupportedKey{"mlp_bias", "biases in the feed-forward"},
    UnsupportedKey{"attn_logit_softcapping", "attention logit soft-capping"},
    UnsupportedKey{"final_logit_softcapping", "final logit soft-capping"},
};

/// A JSON object whose values are read by key; null counts as absent.
class Object {
 public:
  Object(const json& value, const std::string& where) : value_(value), where_(where) {}

  const json* find(const char* key) const {
    const auto at = value_.find(key);
    return at == value_.end() || at->is_null() ? nullptr : &*at;
  }
  bool has_key(const char* key) const { return value_.contains(key); }

  std::optional<uint32_t> count(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number_unsigned() ||
        value->get<uint64_t>() > uint64_t(std::numeric_limits<int32_t>::max())) {
      fail("{}: {} is {}, but a count below 2^31 is needed", where_, key, value->dump());
    }
    return value->get<uint32_t>();
  }
  uint32_t need_count(const char* key) const {
    const auto value = count(key);
    if (!value) fail("{}: {} is missing", where_, key);
    if (*value == 0) fail("{}: {} is 0", where_, key);
    return *value;
  }
  std::optional<double> number(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number()) fail("{}: {} is {}, but a number is needed", where_, key, value->dump());
    return value->get<double>();
  }
  bool flag(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (!value) return otherwise;
    if (!value->is_boolean()) fail("{}: {} is {}, but true or false is needed", where_, key, value->dump());
    return value->get<bool>();
  }
  std::optional<std::string> text(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_string()) fail("{}: {} is {}, but a string is needed", where_, key, value->dump());
    return value->get<std::string>();
  }
  std::optional<Object> object(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_object()) fail("{}: {} is {}, but an object is needed", where_, key, value->dump());
    return Object(*value, where_);
  }

 private:
  const json& value_;
  const std::string& where_;
};

class HfConfigReader {
 public:
  HfConfigReader(const json& root, const std::string& where) : root_(root, where), where_(where) {}

  HfConfig read() {
    read_architecture();
    refuse_unsupported();
    read_dimensions();
    read_biases();
    read_rope();
    config_.sliding_window = read_sliding_window();
    return std::move(config_);
  }

 private:
  void read_architecture();
  void refuse_unsupported() const;
  void read_dimensions();
  void read_biases();
  uint32_t read_sliding_window() const;
  uint32_t count_sliding_layers() const;
  void read_rope();
  Object rope_object(const char*& key) const;
  void read_yarn(const Object& scaling);
  void extend_context();

  Object root_;
  const std::string& where_;
  HfConfig config_;
};

void HfConfigReader::read_architecture() {
  std::string given;
  if (const json* classes = root_.find("architectures")) {
    if (!classes->is_array() || classes->empty() || !classes->front().is_string()) {
      fail("{}: architectures is {}, but a list of class names is needed", where_, classes->dump());
    }
    given = classes->front().get<std::string>();
    for (const Architecture& a : kArchitectures) {
      if (given == a.class_name) config_.model_type = a.model_type;
    }
  } else if (const auto model_type = root_.text("model_type")) {
    given = *model_type;
    for (const Architecture& a : kArchitectures) {
      if (given == a.model_type) config_.model_type = a.model_type;
    }
  } else {
    fail("{}: neither architectures nor model_type says what the model is", where_);
  }
  if (config_.model_type.empty()) {
    fail("{}: architecture {} is not supported; nibble runs {}", where_, given, kSupported);
  }
}

void HfConfigReader::refuse_unsupported() const {
  if (const auto quantization = root_.object("quantization_config")) {
    fail("{}: the checkpoint is already quantized ({}); take the one it was made from", where_,
         quantization->text("quant_method").value_or("quantization_config"));
  }
  for (const UnsupportedKey& unsupported : kUnsupportedKeys) {
    const json* value = root_.find(unsupported.key);
    if (value && *value != json(false) && *value != json(0)) {
      fail("{}: {} is {}: nibble does not run models with {}", where_, unsupported.key, value->dump(),
           unsupported.feature);
    }
  }
  const std::string activation = root_.text("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish") {
    fail("{}: hidden_act is {}; nibble runs models with silu", where_, activation);
  }
}

void HfConfigReader::read_dimensions() {
  HfConfig& c = config_;
  c.hidden_size = root_.need_count("hidden_size");
  c.intermediate_size = root_.need_count("intermediate_size");
  c.num_hidden_layers = root_.need_count("num_hidden_layers");
  c.num_attention_heads = root_.need_count("num_attention_heads");
  c.num_key_value_heads = root_.count("num_key_value_heads").value_or(c.num_attention_heads);
  c.vocab_size = root_.need_count("vocab_size");
  c.context_length = root_.need_count("max_position_embeddings");
  c.rms_norm_eps = root_.number("rms_norm_eps").value_or(c.rms_norm_eps);
  c.tie_word_embeddings = root_.flag("tie_word_embeddings", false);
  if (const auto head_dim = root_.count("head_dim")) {
    c.head_dim = *head_dim;
  } else if (c.model_type == "qwen3") {
    c.head_dim = 128;  // what the class takes, whatever the hidden size
  } else if (c.hidden_size % c.num_attention_heads == 0) {
    c.head_dim = c.hidden_size / c.num_attention_heads;
  } else {
    fail("{}: hidden_size {} is no multiple of num_attention_heads {}, and head_dim is missing", where_,
         c.hidden_size, c.num_attention_heads);
  }
}

void HfConfigReader::read_biases() {
  if (config_.model_type == "qwen2") {
    config_.qkv_bias = true;
  } else if (config_.model_type != "mistral") {
    config_.qkv_bias = config_.output_bias = root_.flag("attention_bias", false);
  }
}

/// 0 as well when the window covers the whole context, which rope scaling may have extended.
uint32_t HfConfigReader::read_sliding_window() const {
  const bool is_mistral = config_.model_type == "mistral";
  if (config_.model_type == "llama" || (!is_mistral && !root_.flag("use_sliding_window", false))) return 0;
  uint32_t window = root_.count("sliding_window").value_or(0);
  if (!root_.has_key("sliding_window")) window = 4096;  // the classes' default
  if (window == 0 || window >= config_.context_length) return 0;
  const uint32_t sliding = count_sliding_layers();
  if (sliding != 0 && sliding != config_.num_hidden_layers) {
    fail(
        "{}: {} of {} layers have a sliding window of {} and the others have none, which nibble does not run",
        where_, sliding, config_.num_hidden_layers, window);
  }
  return sliding == 0 ? 0 : window;
}

uint32_t HfConfigReader::count_sliding_layers() const {
  if (const json* types = root_.find("layer_types")) {
    if (!types->is_array() || types->size() != config_.num_hidden_layers) {
      fail("{}: layer_types must be a list of {} names", where_, config_.num_hidden_layers);
    }
    uint32_t sliding = 0;
    for (const json& type : *types) {
      if (type != "sliding_attention" && type != "full_attention") {
        fail("{}: layer_types holds {}, which nibble does not run", where_, type.dump());
      }
      sliding += type == "sliding_attention";
    }
    return sliding;
  }
  if (config_.model_type == "mistral") return config_.num_hidden_layers;
  // Qwen: the first max_window_layers layers see everything.
  const uint32_t full = std::min(root_.count("max_window_layers").value_or(28), config_.num_hidden_layers);
  return config_.num_hidden_layers - full;
}

/// transformers 5 writes rope_parameters, earlier versions rope_scaling; `key` becomes the one found.
Object HfConfigReader::rope_object(const char*& key) const {
  static const json kNothing = json::object();
  key = root_.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const auto parameters = root_.object(key);
  if (!parameters) return Object(kNothing, where_);
  // With layer_types there may be one set for each kind of layer; all layers are of one kind here.
  const bool sliding = count_sliding_layers() == config_.num_hidden_layers;
  if (const auto own = parameters->object(sliding ? "sliding_attention" : "full_attention")) return *own;
  if (const auto other = parameters->object(sliding ? "full_attention" : "sliding_attention")) return *other;
  return *parameters;
}

void HfConfigReader::read_rope() {
  HfRope& rope = config_.rope;
  const char* key = nullptr;
  const Object scaling = rope_object(key);
  rope.type = scaling.text("rope_type").value_or(scaling.text("type").value_or("default"));
  rope.theta = scaling.number("rope_theta").value_or(root_.number("rope_theta").value_or(rope.theta));
  rope.partial_rotary_factor =
      scaling.number("partial_rotary_factor").value_or(root_.number("partial_rotary_factor").value_or(1.0));
  if (!(rope.partial_rotary_factor > 0 && rope.partial_rotary_factor <= 1)) {
    fail("{}: partial_rotary_factor is {}; it must lie in (0, 1]", where_, rope.partial_rotary_factor);
  }
  if (rope.type == "default") return;
  if (rope.type != "linear" && rope.type != "dynamic" && rope.type != "llama3" && rope.type != "yarn") {
    fail("{}: {} asks for type {}; nibble runs default, linear, dynamic, llama3 and yarn", where_, key,
         rope.type);
  }
  const auto original = scaling.count("original_max_position_embeddings");
  rope.original_context = original.value_or(config_.context_length);
  const auto factor = scaling.number("factor");
  if (!factor && !(rope.type == "yarn" && original && *original > 0)) {
    fail("{}: {} of type {} has no factor", where_, key, rope.type);
  }
  rope.factor = factor ? *factor : double(config_.context_length) / *original;
  if (!(std::isfinite(rope.factor) && rope.factor >= 1)) {
    fail("{}: the factor of {} is {}; it must be at least 1", where_, key, rope.factor);
  }
  rope.low_freq_factor = scaling.number("low_freq_factor").value_or(rope.low_freq_factor);
  rope.high_freq_factor = scaling.number("high_freq_factor").value_or(rope.high_freq_factor);
  if (rope.type == "yarn") read_yarn(scaling);
  extend_context();
}

void HfConfigReader::read_yarn(const Object& scaling) {
  HfRope& rope = config_.rope;
  rope.beta_fast = scaling.number("beta_fast").value_or(rope.beta_fast);
  rope.beta_slow = scaling.number("beta_slow").value_or(rope.beta_slow);
  if (!scaling.flag("truncate", true)) {
    fail("{}: YaRN with truncate false is not supported", where_);
  }
  rope.attention_factor = scaling.number("attention_factor");
  const double mscale = scaling.number("mscale").value_or(0),
               all_dim = scaling.number("mscale_all_dim").value_or(0);
  if (!rope.attention_factor && mscale != 0 && all_dim != 0) {
    const double log_factor = 0.1 * std::log(rope.factor);
    rope.attention_factor = (mscale * log_factor + 1) / (all_dim * log_factor + 1);
  }
}

/// max_position_embeddings is the context before scaling for some kinds, after it for others.
void HfConfigReader::extend_context() {
  const HfRope& rope = config_.rope;
  double context = config_.context_length;
  if (rope.type == "linear") {
    context = std::max(context, double(root_.count("max_sequence_length").value_or(0)));
  } else if (rope.type != "llama3" && config_.context_length <= rope.original_context) {
    context = rope.original_context * rope.factor;
  }
  config_.context_length = uint32_t(std::min(context, double(std::numeric_limits<int32_t>::max())));
}

}  // namespace

HfConfig read_hf_config(std::string_view text, const std::string& where) {
  const json root = parse_json_object(text, where);
  return HfConfigReader(root, where).read();
}

}  // namespace nibble
