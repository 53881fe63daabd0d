#include "model/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/testing.h"

namespace nibble {
namespace {

using ::testing::AllOf;
using testing::error_of;
using testing::f32_tensors;
using testing::fresh_directory;
using ::testing::HasSubstr;
using testing::metadata_of;
using testing::small_config;
using testing::write_gguf;

ModelConfig round_trip(const ModelConfig& config) {
  const auto path = fresh_directory("gguf_config") / "m.gguf";
  write_gguf(path, metadata_of(config), f32_tensors(config));
  return read_config(*GgufFile::open(path), "m.gguf");
}

/// The error that a change of the metadata brings.
std::string error_with(const std::function<void(GgufMetadata&)>& change) {
  const ModelConfig config = small_config();
  GgufMetadata metadata = metadata_of(config);
  change(metadata);
  const auto path = fresh_directory("gguf_config") / "m.gguf";
  write_gguf(path, metadata, f32_tensors(config));
  const auto file = GgufFile::open(path);
  return error_of([&] { read_config(*file, "m.gguf"); });
}

std::string error_with(const std::string& key, const GgufValue& value) {
  return error_with([&](GgufMetadata& m) { m.set(key, value); });
}

TEST(GgufConfig, RoundTripsArchitectures) {
  for (const std::string architecture : {"llama", "qwen2", "qwen3"}) {
    ModelConfig c = small_config(architecture);
    c.norm_eps = 1e-6f;
    c.rope.theta = 1e6f;
    c.sliding_window = 100;
    c.tied_embeddings = architecture == "qwen2";
    const ModelConfig back = round_trip(c);
    EXPECT_EQ(back.architecture, architecture);
    EXPECT_EQ(back.name, "small");
    EXPECT_EQ(back.n_layers, c.n_layers);
    EXPECT_EQ(back.hidden, c.hidden);
    EXPECT_EQ(back.ffn, c.ffn);
    EXPECT_EQ(back.n_heads, c.n_heads);
    EXPECT_EQ(back.n_kv_heads, c.n_kv_heads);
    EXPECT_EQ(back.head_dim, c.head_dim);
    EXPECT_EQ(back.vocab, c.vocab);
    EXPECT_EQ(back.context_length, c.context_length);
    EXPECT_EQ(back.sliding_window, c.sliding_window);
    EXPECT_EQ(back.norm_eps, c.norm_eps);
    EXPECT_EQ(back.qkv_bias, c.qkv_bias);
    EXPECT_EQ(back.qk_norm, c.qk_norm);
    EXPECT_FALSE(back.output_bias);
    EXPECT_EQ(back.tied_embeddings, c.tied_embeddings);
    EXPECT_EQ(back.rope.layout, c.rope.layout);
    EXPECT_EQ(back.rope.theta, c.rope.theta);
    EXPECT_EQ(back.rope.dims, c.rope.dims);
    EXPECT_EQ(back.rope.scaling, RopeScaling::none);
  }
}

TEST(GgufConfig, RoundTripsAHeadSizeOfItsOwn) {
  ModelConfig c = small_config("qwen3");
  c.head_dim = c.rope.dims = 32;
  const GgufMetadata m = metadata_of(c);
  EXPECT_EQ(m.get_uint("qwen3.attention.key_length"), 32u);
  EXPECT_EQ(m.get_uint("qwen3.attention.value_length"), 32u);
  EXPECT_EQ(round_trip(c).head_dim, 32u);
  EXPECT_FALSE(metadata_of(small_config()).contains("llama.attention.key_length"));
}

TEST(GgufConfig, RoundTripsRopeScaling) {
  ModelConfig c = small_config();
  c.rope.scaling = RopeScaling::linear;
  c.rope.factor = 4;
  EXPECT_EQ(round_trip(c).rope.scaling, RopeScaling::linear);
  EXPECT_EQ(round_trip(c).rope.factor, 4);

  c.rope.scaling = RopeScaling::dynamic;
  c.rope.original_context = 128;
  EXPECT_EQ(round_trip(c).rope.scaling, RopeScaling::dynamic);
  EXPECT_EQ(round_trip(c).rope.original_context, 128u);

  c.rope.scaling = RopeScaling::yarn;
  c.rope.beta_fast = 16;
  c.rope.beta_slow = 2;
  ModelConfig back = round_trip(c);
  EXPECT_EQ(back.rope.scaling, RopeScaling::yarn);
  EXPECT_EQ(back.rope.factor, 4);
  EXPECT_EQ(back.rope.original_context, 128u);
  EXPECT_EQ(back.rope.beta_fast, 16);
  EXPECT_EQ(back.rope.beta_slow, 2);
  EXPECT_FALSE(back.rope.attention_factor.has_value());
  c.rope.attention_factor = 1.5f;
  EXPECT_FLOAT_EQ(*round_trip(c).rope.attention_factor, 1.5f);
  // llama.cpp multiplies the key with 0.1 ln(factor) + 1 = 1.138629.
  EXPECT_NEAR(*metadata_of(c).get_float("llama.rope.scaling.attn_factor"), 1.5 / 1.1386294, 1e-6);
}

TEST(GgufConfig, ReadsFrequencyFactors) {
  const ModelConfig config = small_config();
  auto tensors = f32_tensors(config);
  tensors.push_back({"rope_freqs.weight", DType::F32, {32}});
  const auto path = fresh_directory("gguf_config") / "m.gguf";
  write_gguf(path, metadata_of(config), tensors);
  EXPECT_EQ(read_config(*GgufFile::open(path), "m.gguf").rope.freq_factors, std::vector<float>(32, 1.0f));
  tensors.back().shape = {31};
  write_gguf(path, metadata_of(config), tensors);
  EXPECT_THAT(error_of([&] { read_config(*GgufFile::open(path), "m.gguf"); }),
              AllOf(HasSubstr("rope_freqs.weight"), HasSubstr("[31]"), HasSubstr("[32]")));
}

TEST(GgufConfig, ReadsMistralAsLlama) {
  const ModelConfig config = small_config();
  GgufMetadata metadata("m.gguf");
  const GgufMetadata as_llama = metadata_of(config);
  for (const auto& [key, value] : as_llama.entries()) {
    metadata.set(key.starts_with("llama.") ? "mistral" + key.substr(5) : key, value);
  }
  metadata.set("general.architecture", std::string("mistral"));
  const auto path = fresh_directory("gguf_config") / "m.gguf";
  write_gguf(path, metadata, f32_tensors(config));
  const ModelConfig back = read_config(*GgufFile::open(path), "m.gguf");
  EXPECT_EQ(back.architecture, "llama");
  EXPECT_EQ(back.rope.layout, RopeLayout::interleaved);
}

TEST(GgufConfig, TakesPerLayerCountsThatAreEqual) {
  const std::string key = "llama.attention.head_count_kv";
  EXPECT_EQ(error_with(key, GgufArray{std::vector<int32_t>{2, 2}}), "no error");
  EXPECT_THAT(error_with(key, GgufArray{std::vector<int32_t>{2, 4}}),
              AllOf(HasSubstr(key), HasSubstr("differs")));
  EXPECT_THAT(error_with(key, GgufArray{std::vector<int32_t>{}}), HasSubstr("empty array"));
  EXPECT_THAT(error_with(key, GgufArray{std::vector<int32_t>{-2, -2}}), HasSubstr("negative"));
}

TEST(GgufConfig, RefusesWhatItCannotRun) {
  EXPECT_THAT(error_with("general.architecture", std::string("gemma3")),
              AllOf(HasSubstr("m.gguf"), HasSubstr("architecture gemma3"), HasSubstr("qwen3")));
  EXPECT_THAT(error_with("llama.expert_count", uint32_t(8)), HasSubstr("a mixture of experts"));
  EXPECT_EQ(error_with("llama.expert_count", uint32_t(0)), "no error");
  EXPECT_THAT(error_with("llama.attn_logit_softcapping", 50.0f), HasSubstr("soft-capping"));
  EXPECT_THAT(error_with("llama.attention.causal", false), HasSubstr("left to right"));
  EXPECT_THAT(error_with("llama.attention.sliding_window_pattern", uint32_t(6)),
              HasSubstr("attention window"));
  EXPECT_THAT(error_with("llama.attention.value_length", uint32_t(32)), HasSubstr("value_length"));
  EXPECT_THAT(error_with("llama.rope.scaling.type", std::string("longrope")), HasSubstr("longrope"));
  EXPECT_THAT(error_with("llama.rope.scaling.attn_factor", 1.5f), HasSubstr("without YaRN"));
  EXPECT_THAT(error_with("split.count", uint16_t(3)), AllOf(HasSubstr("3 parts"), HasSubstr("--merge")));
}

TEST(GgufConfig, RefusesBadValues) {
  EXPECT_THAT(error_with([](GgufMetadata& m) { m.erase("general.architecture"); }),
              HasSubstr("general.architecture"));
  EXPECT_THAT(error_with([](GgufMetadata& m) { m.erase("llama.block_count"); }),
              HasSubstr("llama.block_count is missing"));
  EXPECT_THAT(error_with([](GgufMetadata& m) { m.erase("llama.attention.layer_norm_rms_epsilon"); }),
              HasSubstr("layer_norm_rms_epsilon is missing"));
  EXPECT_THAT(error_with("llama.embedding_length", uint32_t(0)), HasSubstr("llama.embedding_length is 0"));
  EXPECT_THAT(error_with("llama.block_count", uint64_t(1) << 40),
              HasSubstr("llama.block_count is 1099511627776"));
  EXPECT_THAT(error_with("llama.block_count", std::string("2")),
              HasSubstr("llama.block_count is a value of type string"));
  EXPECT_THAT(error_with("llama.embedding_length", uint32_t(255)), HasSubstr("no multiple of"));
  EXPECT_THAT(error_with("llama.attention.head_count_kv", uint32_t(3)), HasSubstr("3 key-value heads"));
  EXPECT_THAT(error_with("llama.attention.head_count_kv", uint32_t(0)), HasSubstr("0 key-value heads"));
  EXPECT_THAT(error_with("llama.attention.key_length", uint32_t(2000000000)), HasSubstr("2000000000"));
  EXPECT_THAT(error_with("llama.rope.dimension_count", uint32_t(66)), HasSubstr("66 of 64"));
  EXPECT_THAT(error_with("llama.rope.dimension_count", uint32_t(63)), HasSubstr("63 of 64"));
  EXPECT_THAT(error_with("llama.rope.freq_base", -1.0f), HasSubstr("base -1"));
  EXPECT_THAT(error_with("llama.rope.freq_base", std::numeric_limits<float>::quiet_NaN()),
              HasSubstr("base nan"));
  EXPECT_THAT(error_with("llama.attention.layer_norm_rms_epsilon", 5.0f), HasSubstr("epsilon is 5"));
  EXPECT_THAT(error_with("tokenizer.ggml.tokens", GgufArray{std::vector<std::string>(49, "x")}),
              AllOf(HasSubstr("49 tokens"), HasSubstr("48 rows")));
}

}  // namespace
}  // namespace nibble
