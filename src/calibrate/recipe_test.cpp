#include "calibrate/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace nibble {
namespace {

using ::testing::HasSubstr;

ModelConfig config_of(uint32_t layers, bool tied) {
  ModelConfig config;
  config.n_layers = layers;
  config.n_heads = 32;
  config.n_kv_heads = 32;
  config.tied_embeddings = tied;
  return config;
}

TensorView matrix(const std::string& name, uint64_t cols = 4096) {
  return {name, DType::F16, {4096, cols}, {}};
}

DType dtype_of(const std::string& type, const std::string& tensor, uint64_t cols = 4096, bool tied = false) {
  return recipe_choice(make_recipe({type}), config_of(32, tied), matrix(tensor, cols)).dtype;
}

std::string error_of(const RecipeRequest& request) {
  return testing::error_of([&] { make_recipe(request); });
}

TEST(Recipe, MostMatricesGetTheNamedTypeAndTheOutputMoreBits) {
  EXPECT_EQ(dtype_of("q4_0", "blk.3.attn_q.weight"), DType::Q4_0);
  EXPECT_EQ(dtype_of("q4_0", "token_embd.weight"), DType::Q4_0);
  EXPECT_EQ(dtype_of("q4_0", "output.weight"), DType::Q6_K);
  EXPECT_EQ(dtype_of("q8_0", "output.weight"), DType::Q8_0);
  EXPECT_EQ(dtype_of("nf4", "blk.3.ffn_up.weight"), DType::NF4);
}

TEST(Recipe, ATiedEmbeddingIsTheOutput) {
  EXPECT_EQ(dtype_of("q4_0", "token_embd.weight", 4096, true), DType::Q6_K);
  EXPECT_TRUE(
      recipe_choice(make_recipe({"q4_0"}), config_of(32, true), matrix("token_embd.weight", 576)).fallback);
  EXPECT_FALSE(
      recipe_choice(make_recipe({"q4_0"}), config_of(32, true), matrix("blk.0.attn_q.weight", 576)).fallback);
  // 576 columns do not divide by 256: SmolLM2's embedding becomes Q8_0, as llama.cpp writes it.
  EXPECT_EQ(dtype_of("q4_0", "token_embd.weight", 576, true), DType::Q8_0);
}

TEST(Recipe, VectorsStayFloat) {
  const TensorView norm{"blk.0.attn_norm.weight", DType::F16, {4096}, {}};
  EXPECT_EQ(recipe_choice(make_recipe({"q2_k"}), config_of(32, false), norm).dtype, DType::F32);
}

TEST(Recipe, MixesFollowLlamaCpp) {
  // 32 layers: 0-3 and 28-31 and every third from layer 6 get more bits in Q4_K_M.
  for (const uint32_t layer : {0u, 3u, 6u, 9u, 27u, 28u, 31u}) {
    EXPECT_EQ(dtype_of("q4_k_m", "blk." + std::to_string(layer) + ".ffn_down.weight"), DType::Q6_K) << layer;
  }
  for (const uint32_t layer : {4u, 5u, 7u, 26u}) {
    EXPECT_EQ(dtype_of("q4_k_m", "blk." + std::to_string(layer) + ".attn_v.weight"), DType::Q4_K) << layer;
  }
  EXPECT_EQ(dtype_of("q4_k", "blk.0.attn_v.weight"), DType::Q6_K);
  EXPECT_EQ(dtype_of("q4_k_s", "blk.3.attn_v.weight"), DType::Q5_K);
  EXPECT_EQ(dtype_of("q4_k_s", "blk.4.attn_v.weight"), DType::Q4_K);
  EXPECT_EQ(dtype_of("q2_k", "blk.9.ffn_down.weight"), DType::Q3_K);
  EXPECT_EQ(dtype_of("q3_k_m", "blk.1.attn_v.weight"), DType::Q5_K);
  EXPECT_EQ(dtype_of("q3_k_m", "blk.9.attn_output.weight"), DType::Q4_K);
}

TEST(Recipe, OverridesAndPure) {
  Recipe recipe = make_recipe({"q4_k_m"});
  recipe.pure = true;
  EXPECT_EQ(recipe_choice(recipe, config_of(32, false), matrix("blk.0.ffn_down.weight")).dtype, DType::Q4_K);
  EXPECT_EQ(recipe_choice(recipe, config_of(32, false), matrix("output.weight")).dtype, DType::Q4_K);
  recipe.output = DType::F16;
  recipe.embedding = DType::Q8_0;
  EXPECT_EQ(recipe_choice(recipe, config_of(32, false), matrix("output.weight")).dtype, DType::F16);
  EXPECT_EQ(recipe_choice(recipe, config_of(32, false), matrix("token_embd.weight")).dtype, DType::Q8_0);
  EXPECT_EQ(recipe_choice(recipe, config_of(32, true), matrix("token_embd.weight")).dtype, DType::F16);
}

TEST(Recipe, Int4GroupsOfThirtyTwoAreStandardTypes) {
  EXPECT_EQ(make_recipe({"int4", 32}).weights, DType::Q4_0);
  EXPECT_EQ(make_recipe({"int4", 32, true}).weights, DType::Q4_1);
  EXPECT_EQ(make_recipe({"int4", 64}).weights, DType::INT4_G64);
  EXPECT_EQ(make_recipe({"int4"}).weights, DType::INT4_G128);
  EXPECT_EQ(make_recipe({"int4", 128, true}).weights, DType::UINT4_G128);
  EXPECT_EQ(make_recipe({"nf4", 0, false, true}).weights, DType::NF4_DQ);
}

TEST(Recipe, ContradictionsAndUnknownTypesAreNamed) {
  EXPECT_THAT(error_of({"q9_z"}), HasSubstr("unknown type 'q9_z'; use one of f32, f16"));
  EXPECT_THAT(error_of({"int4", 48}), HasSubstr("--group 48"));
  EXPECT_THAT(error_of({"q4_0", 64}), HasSubstr("belong to --type int4, not to q4_0"));
  EXPECT_THAT(error_of({"q4_0", 0, false, true}), HasSubstr("--double-quant belongs to"));
}

TEST(Recipe, FileTypesAreLlamaCpps) {
  EXPECT_EQ(gguf_file_type(make_recipe({"q4_0"})), 2u);
  EXPECT_EQ(gguf_file_type(make_recipe({"q4_k"})), 15u);
  EXPECT_EQ(gguf_file_type(make_recipe({"nf4"})), std::nullopt);
}

}  // namespace
}  // namespace nibble
