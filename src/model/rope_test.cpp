#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "model/rope_factors.h"
#include "model/rope_permutation.h"

namespace nibble {
namespace {

/// transformers' _compute_llama3_parameters, run in NumPy float64.
TEST(Llama3FreqFactors, AreTransformers) {
  RopeConfig rope;
  rope.theta = 10000;
  rope.dims = 16;
  rope.scaling = RopeScaling::llama3;
  rope.factor = 8;
  rope.low_freq_factor = 1;
  rope.high_freq_factor = 4;
  rope.original_context = 64;
  const std::vector<float> expected = {1, 1.29397583f, 7.66738513f, 8, 8, 8, 8, 8};
  const std::vector<float> factors = llama3_freq_factors(rope);
  ASSERT_EQ(factors.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(factors[i], expected[i]) << i;

  rope.theta = 500000;  // Llama 3.2 1B
  rope.dims = 64;
  rope.factor = 32;
  rope.original_context = 8192;
  const std::vector<float> llama = llama3_freq_factors(rope);
  ASSERT_EQ(llama.size(), 32u);
  EXPECT_EQ(llama[14], 1);
  EXPECT_FLOAT_EQ(llama[15], 1.65132925f);
  EXPECT_FLOAT_EQ(llama[16], 3.2922621f);
  EXPECT_FLOAT_EQ(llama[17], 9.66672898f);
  EXPECT_EQ(llama[18], 32);
}

/// numpy.arange(16).reshape(2, 2, 4).swapaxes(1, 2).ravel(): llama.cpp's LlamaModel.permute.
TEST(RopePermutation, IsLlamaCpps) {
  const std::vector<uint64_t> expected = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
  for (uint64_t row = 0; row < expected.size(); ++row) {
    EXPECT_EQ(hf_row_of(row, 8, 8), expected[row]);
    EXPECT_EQ(gguf_row_of(expected[row], 8, 8), row);
  }
}

TEST(RopePermutation, LeavesUnrotatedRows) {
  const std::vector<uint64_t> expected = {0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11};
  for (uint64_t row = 0; row < expected.size(); ++row) {
    EXPECT_EQ(hf_row_of(row, 6, 4), expected[row]);
    EXPECT_EQ(gguf_row_of(expected[row], 6, 4), row);
  }
}

TEST(RopePermutation, OnlyForQueryAndKeyOfLlamaWithHalves) {
  ModelConfig config;
  config.architecture = "llama";
  config.rope.layout = RopeLayout::halves;
  EXPECT_TRUE(needs_row_permutation(config, "blk.3.attn_q.weight"));
  EXPECT_TRUE(needs_row_permutation(config, "blk.3.attn_k.bias"));
  EXPECT_FALSE(needs_row_permutation(config, "blk.3.attn_v.weight"));
  EXPECT_FALSE(needs_row_permutation(config, "blk.3.attn_q_norm.weight"));
  config.rope.layout = RopeLayout::interleaved;
  EXPECT_FALSE(needs_row_permutation(config, "blk.3.attn_q.weight"));
  config.rope.layout = RopeLayout::halves;
  config.architecture = "qwen2";
  EXPECT_FALSE(needs_row_permutation(config, "blk.3.attn_q.weight"));
}

}  // namespace
}  // namespace nibble
