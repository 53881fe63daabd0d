#include "model/tensor_names.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

namespace nibble {

namespace {

struct NamePair {
  std::string_view gguf, hf;
};

constexpr std::array kModelNames = {
    NamePair{"token_embd.weight", "model.embed_tokens.weight"},
    NamePair{"output_norm.weight", "model.norm.weight"},
    NamePair{"output.weight", "lm_head.weight"},
};

constexpr std::array kLayerNames = {
    NamePair{"attn_norm.weight", "input_layernorm.weight"},
    NamePair{"attn_q.weight", "self_attn.q_proj.weight"},
    NamePair{"attn_k.weight", "self_attn.k_proj.weight"},
    NamePair{"attn_v.weight", "self_attn.v_proj.weight"},
    NamePair{"attn_q.bias", "self_attn.q_proj.bias"},
    NamePair{"attn_k.bias", "self_attn.k_proj.bias"},
    NamePair{"attn_v.bias", "self_attn.v_proj.bias"},
    NamePair{"attn_q_norm.weight", "self_attn.q_norm.weight"},
    NamePair{"attn_k_norm.weight", "self_attn.k_norm.weight"},
    NamePair{"attn_output.weight", "self_attn.o_proj.weight"},
    NamePair{"attn_output.bias", "self_attn.o_proj.bias"},
    NamePair{"ffn_norm.weight", "post_attention_layernorm.weight"},
    NamePair{"ffn_gate.weight", "mlp.gate_proj.weight"},
    NamePair{"ffn_up.weight", "mlp.up_proj.weight"},
    NamePair{"ffn_down.weight", "mlp.down_proj.weight"},
};

constexpr std::string_view kGgufLayer = "blk.", kHfModel = "model.", kHfLayer = "layers.";

/// "7.rest" after a prefix that was taken off.
std::optional<LayerTensorName> split_number(std::string_view text) {
  LayerTensorName name{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), name.layer);
  const size_t digits = size_t(end - text.data());
  if (error != std::errc{} || digits == text.size() || text[digits] != '.') return std::nullopt;
  name.part = text.substr(digits + 1);
  return name;
}

}  // namespace

std::vector<ExpectedTensor> expected_model_tensors(const ModelConfig& c) {
  std::vector<ExpectedTensor> tensors = {{"token_embd.weight", {c.vocab, c.hidden}},
                                         {"output_norm.weight", {c.hidden}}};
  if (!c.tied_embeddings) tensors.push_back({"output.weight", {c.vocab, c.hidden}});
  return tensors;
}

std::vector<ExpectedTensor> expected_layer_tensors(const ModelConfig& c, uint32_t layer) {
  const uint64_t q = uint64_t(c.n_heads) * c.head_dim, kv = uint64_t(c.n_kv_heads) * c.head_dim;
  std::vector<ExpectedTensor> tensors;
  const auto add = [&](std::string_view part, std::vector<uint64_t> shape) {
    tensors.push_back({fmt::format("{}{}.{}", kGgufLayer, layer, part), std::move(shape)});
  };
  add("attn_norm.weight", {c.hidden});
  add("attn_q.weight", {q, c.hidden});
  add("attn_k.weight", {kv, c.hidden});
  add("attn_v.weight", {kv, c.hidden});
  if (c.qkv_bias) {
    add("attn_q.bias", {q});
    add("attn_k.bias", {kv});
    add("attn_v.bias", {kv});
  }
  if (c.qk_norm) {
    add("attn_q_norm.weight", {c.head_dim});
    add("attn_k_norm.weight", {c.head_dim});
  }
  add("attn_output.weight", {c.hidden, q});
  if (c.output_bias) add("attn_output.bias", {c.hidden});
  add("ffn_norm.weight", {c.hidden});
  add("ffn_gate.weight", {c.ffn, c.hidden});
  add("ffn_up.weight", {c.ffn, c.hidden});
  add("ffn_down.weight", {c.hidden, c.ffn});
  return tensors;
}

std::optional<LayerTensorName> split_layer_name(std::string_view gguf_name) {
  if (!gguf_name.starts_with(kGgufLayer)) return std::nullopt;
  return split_number(gguf_name.substr(kGgufLayer.size()));
}

std::optional<std::string> gguf_tensor_name(std::string_view hf_name) {
  for (const NamePair& pair : kModelNames) {
    // Checkpoints of the bare model, without its head, leave "model." out.
    if (hf_name == pair.hf) return std::string(pair.gguf);
    if (pair.hf.starts_with(kHfModel) && hf_name == pair.hf.substr(kHfModel.size()))
      return std::string(pair.gguf);
  }
  std::string_view rest = hf_name;
  if (rest.starts_with(kHfModel)) rest.remove_prefix(kHfModel.size());
  if (!rest.starts_with(kHfLayer)) return std::nullopt;
  const auto name = split_number(rest.substr(kHfLayer.size()));
  if (!name) return std::nullopt;
  std::string_view part = name->part;
  for (const NamePair& pair : kLayerNames) {
    if (part == pair.hf) part = pair.gguf;
  }
  return fmt::format("{}{}.{}", kGgufLayer, name->layer, part);
}

std::string hf_tensor_name(std::string_view gguf_name) {
  for (const NamePair& pair : kModelNames) {
    if (gguf_name == pair.gguf) return std::string(pair.hf);
  }
  const auto name = split_layer_name(gguf_name);
  if (!name) return std::string(gguf_name);
  std::string_view part = name->part;
  for (const NamePair& pair : kLayerNames) {
    if (part == pair.gguf) part = pair.hf;
  }
  return fmt::format("{}{}{}.{}", kHfModel, kHfLayer, name->layer, part);
}

}  // namespace nibble
