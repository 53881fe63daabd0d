#include "formats/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/testing.h"

namespace nibble {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

/// SmolLM2-135M-Instruct's config.json with some keys changed; null removes a key.
json config_with(const json& changes) {
  json config = {{"architectures", {"LlamaForCausalLM"}},
                 {"hidden_act", "silu"},
                 {"hidden_size", 576},
                 {"intermediate_size", 1536},
                 {"max_position_embeddings", 8192},
                 {"model_type", "llama"},
                 {"num_attention_heads", 9},
                 {"num_hidden_layers", 30},
                 {"num_key_value_heads", 3},
                 {"rms_norm_eps", 1e-5},
                 {"rope_scaling", nullptr},
                 {"rope_theta", 100000},
                 {"tie_word_embeddings", true},
                 {"vocab_size", 49152}};
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  return config;
}

HfConfig read_with(const json& changes) {
  return read_hf_config(config_with(changes).dump(), "config.json");
}
std::string error_with(const json& changes) {
  return error_of([&] { read_with(changes); });
}

TEST(HfConfig, ReadsLlama) {
  const HfConfig c = read_with(json::object());
  EXPECT_EQ(c.model_type, "llama");
  EXPECT_EQ(c.hidden_size, 576u);
  EXPECT_EQ(c.intermediate_size, 1536u);
  EXPECT_EQ(c.num_hidden_layers, 30u);
  EXPECT_EQ(c.num_attention_heads, 9u);
  EXPECT_EQ(c.num_key_value_heads, 3u);
  EXPECT_EQ(c.head_dim, 64u);
  EXPECT_EQ(c.vocab_size, 49152u);
  EXPECT_EQ(c.context_length, 8192u);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_FALSE(c.qkv_bias);
  EXPECT_EQ(c.rope.type, "default");
  EXPECT_EQ(c.rope.theta, 100000);
}

TEST(HfConfig, FillsInDefaults) {
  const HfConfig c = read_with({{"num_key_value_heads", nullptr},
                                {"tie_word_embeddings", nullptr},
                                {"rms_norm_eps", nullptr},
                                {"rope_theta", nullptr},
                                {"hidden_act", nullptr}});
  EXPECT_EQ(c.num_key_value_heads, 9u);
  EXPECT_FALSE(c.tie_word_embeddings);
  EXPECT_EQ(c.rms_norm_eps, 1e-6);
  EXPECT_EQ(c.rope.theta, 10000);
  EXPECT_EQ(read_with({{"head_dim", 32}}).head_dim, 32u);
}

TEST(HfConfig, TellsArchitecturesApart) {
  EXPECT_EQ(read_with({{"architectures", nullptr}, {"model_type", "mistral"}}).model_type, "mistral");
  const HfConfig qwen2 = read_with({{"architectures", {"Qwen2ForCausalLM"}}});
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias);
  const HfConfig qwen3 = read_with({{"architectures", {"Qwen3ForCausalLM"}}});
  EXPECT_EQ(qwen3.head_dim, 128u);
  EXPECT_FALSE(qwen3.qkv_bias);
  const HfConfig biased = read_with({{"attention_bias", true}});
  EXPECT_TRUE(biased.qkv_bias && biased.output_bias);
  EXPECT_THAT(error_with({{"architectures", {"GemmaForCausalLM"}}}),
              AllOf(HasSubstr("config.json"), HasSubstr("GemmaForCausalLM"), HasSubstr("Qwen3ForCausalLM")));
  EXPECT_THAT(error_with({{"architectures", nullptr}, {"model_type", "mamba"}}),
              HasSubstr("mamba is not supported"));
  EXPECT_THAT(error_with({{"architectures", nullptr}, {"model_type", nullptr}}),
              HasSubstr("neither architectures"));
  EXPECT_THAT(error_with({{"architectures", 5}}), HasSubstr("architectures is 5"));
}

TEST(HfConfig, ReadsEveryRopeScaling) {
  const HfConfig linear = read_with({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}});
  EXPECT_EQ(linear.rope.type, "linear");
  EXPECT_EQ(linear.rope.factor, 4);
  EXPECT_EQ(linear.context_length, 8192u);
  const HfConfig vicuna =
      read_with({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}, {"max_sequence_length", 32768}});
  EXPECT_EQ(vicuna.context_length, 32768u);

  const HfConfig dynamic = read_with({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}});
  EXPECT_EQ(dynamic.rope.original_context, 8192u);
  EXPECT_EQ(dynamic.context_length, 16384u);

  const HfConfig llama3 = read_with({{"max_position_embeddings", 131072},
                                     {"rope_scaling",
                                      {{"rope_type", "llama3"},
                                       {"factor", 32.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 8192}}}});
  EXPECT_EQ(llama3.rope.type, "llama3");
  EXPECT_EQ(llama3.rope.factor, 32);
  EXPECT_EQ(llama3.rope.original_context, 8192u);
  EXPECT_EQ(llama3.context_length, 131072u);

  const HfConfig yarn = read_with(
      {{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 8192}}}});
  EXPECT_EQ(yarn.context_length, 32768u);
  EXPECT_FALSE(yarn.rope.attention_factor.has_value());
  const HfConfig tuned = read_with({{"rope_scaling",
                                     {{"rope_type", "yarn"},
                                      {"factor", 4.0},
                                      {"beta_fast", 16},
                                      {"beta_slow", 2},
                                      {"attention_factor", 1.25}}}});
  EXPECT_EQ(tuned.rope.beta_fast, 16);
  EXPECT_EQ(tuned.rope.beta_slow, 2);
  EXPECT_EQ(tuned.rope.attention_factor, 1.25);
}

TEST(HfConfig, ReadsTransformers5RopeParameters) {
  const json flat = {
      {"rope_theta", nullptr},
      {"rope_parameters", {{"rope_type", "dynamic"}, {"rope_theta", 500000.0}, {"factor", 2}}}};
  EXPECT_EQ(read_with(flat).rope.theta, 500000);
  EXPECT_EQ(read_with(flat).rope.type, "dynamic");
  const json by_layer = {{"rope_parameters",
                          {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 7.0}}},
                           {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 9.0}}}}}};
  EXPECT_EQ(read_with(by_layer).rope.theta, 7);
}

TEST(HfConfig, RefusesBadRopeScaling) {
  const auto with = [](const json& scaling) { return error_with({{"rope_scaling", scaling}}); };
  EXPECT_THAT(with({{"type", "longrope"}, {"factor", 2}}), AllOf(HasSubstr("longrope"), HasSubstr("yarn")));
  EXPECT_THAT(with({{"type", "linear"}}), HasSubstr("rope_scaling of type linear has no factor"));
  EXPECT_THAT(with({{"type", "linear"}, {"factor", "4"}}), HasSubstr("factor is \"4\""));
  EXPECT_THAT(with({{"type", "linear"}, {"factor", 0.5}}), HasSubstr("must be at least 1"));
  EXPECT_THAT(with({{"type", "yarn"}, {"factor", 4}, {"truncate", false}}), HasSubstr("truncate"));
  EXPECT_THAT(with(3), HasSubstr("rope_scaling is 3"));
}

TEST(HfConfig, SlidingWindowOnlyWhereItIsInUse) {
  const json mistral = {"MistralForCausalLM"}, qwen = {"Qwen2ForCausalLM"};
  EXPECT_EQ(read_with({{"architectures", mistral}, {"sliding_window", 4096}}).sliding_window, 4096u);
  EXPECT_EQ(read_with({{"architectures", mistral}}).sliding_window, 4096u);
  json off = config_with({{"architectures", mistral}});
  off["sliding_window"] = nullptr;
  EXPECT_EQ(read_hf_config(off.dump(), "config.json").sliding_window, 0u);
  EXPECT_EQ(read_with({{"architectures", mistral}, {"sliding_window", 8192}}).sliding_window, 0u);
  // Scaling extends the context beyond the window.
  EXPECT_EQ(read_with({{"architectures", mistral},
                       {"sliding_window", 8192},
                       {"rope_scaling", {{"type", "dynamic"}, {"factor", 4}}}})
                .sliding_window,
            8192u);

  EXPECT_EQ(read_with({{"architectures", qwen}, {"sliding_window", 4096}, {"use_sliding_window", false}})
                .sliding_window,
            0u);
  json mixed = {{"architectures", qwen},
                {"sliding_window", 4096},
                {"use_sliding_window", true},
                {"max_window_layers", 21}};
  EXPECT_THAT(error_with(mixed), AllOf(HasSubstr("9 of 30 layers"), HasSubstr("4096")));
  mixed["sliding_window"] = 8192;
  EXPECT_EQ(read_with(mixed).sliding_window, 0u);
  mixed["sliding_window"] = 4096;
  mixed["max_window_layers"] = 30;
  EXPECT_EQ(read_with(mixed).sliding_window, 0u);
  mixed["max_window_layers"] = 0;
  EXPECT_EQ(read_with(mixed).sliding_window, 4096u);
  mixed["layer_types"] = std::vector<std::string>(30, "full_attention");
  EXPECT_EQ(read_with(mixed).sliding_window, 0u);
  mixed["layer_types"][3] = "sliding_attention";
  EXPECT_THAT(error_with(mixed), HasSubstr("1 of 30 layers"));
  mixed["layer_types"] = {"full_attention"};
  EXPECT_THAT(error_with(mixed), HasSubstr("layer_types"));
}

TEST(HfConfig, RefusesWhatItCannotRun) {
  EXPECT_THAT(error_with({{"hidden_act", "gelu"}}),
              AllOf(HasSubstr("hidden_act is gelu"), HasSubstr("silu")));
  EXPECT_THAT(error_with({{"quantization_config", {{"quant_method", "gptq"}}}}),
              HasSubstr("already quantized (gptq)"));
  EXPECT_THAT(error_with({{"num_local_experts", 8}}), HasSubstr("mixture of experts"));
  EXPECT_THAT(error_with({{"mlp_bias", true}}), HasSubstr("mlp_bias"));
  EXPECT_EQ(error_with({{"mlp_bias", false}, {"num_experts", 0}}), "no error");
}

TEST(HfConfig, RefusesBadValues) {
  EXPECT_THAT(error_with({{"hidden_size", nullptr}}), HasSubstr("hidden_size is missing"));
  EXPECT_THAT(error_with({{"hidden_size", 0}}), HasSubstr("hidden_size is 0"));
  EXPECT_THAT(error_with({{"hidden_size", -5}}), HasSubstr("hidden_size is -5"));
  EXPECT_THAT(error_with({{"hidden_size", "576"}}), HasSubstr("hidden_size is \"576\""));
  EXPECT_THAT(error_with({{"vocab_size", 1e30}}), HasSubstr("vocab_size"));
  EXPECT_THAT(error_with({{"num_hidden_layers", 99999999999}}),
              HasSubstr("num_hidden_layers is 99999999999"));
  EXPECT_THAT(error_with({{"hidden_size", 577}}), HasSubstr("no multiple of num_attention_heads"));
  EXPECT_THAT(error_with({{"tie_word_embeddings", 1}}), HasSubstr("tie_word_embeddings"));
  EXPECT_THAT(error_with({{"rms_norm_eps", "small"}}), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(error_with({{"partial_rotary_factor", 2}}), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(error_of([] { read_hf_config("{\"a\": tru", "config.json"); }),
              HasSubstr("config.json is not valid JSON"));
  EXPECT_THAT(error_of([] { read_hf_config("{\"\xff\": 1}", "config.json"); }),
              HasSubstr("not UTF-8 at offset 2"));
}

}  // namespace
}  // namespace nibble
