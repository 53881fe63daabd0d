#include "model/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/progress.h"
#include "formats/testing.h"
#include "model/checkpoint.h"
#include "tensor/dequantize.h"

namespace nibble {
namespace {

using testing::error_of;
using testing::fresh_directory;
using ::testing::HasSubstr;

ModelConfig small_shape() {
  ModelConfig c = synthetic_shape("smollm2-135m");
  c.n_layers = 1;
  c.hidden = 512;
  c.ffn = 768;
  c.n_heads = 8;
  c.n_kv_heads = 4;
  c.vocab = 100;
  return c;
}

std::filesystem::path write(const std::filesystem::path& path, const ModelConfig& config, DType dtype,
                            uint64_t seed, int threads) {
  ThreadPool pool(threads);
  write_synthetic(
      path, config, [&](const TensorView&) { return dtype; }, seed, {}, pool);
  return path;
}

TEST(Synthetic, EveryTypeHasValuesOfTheAskedSize) {
  Progress::set_quiet(true);
  const auto directory = fresh_directory("synthetic");
  for (const DTypeInfo& info : all_dtypes()) {
    const auto checkpoint = Checkpoint::open(write(directory / "m.gguf", small_shape(), info.dtype, 1, 2));
    const TensorView& up = checkpoint->get("blk.0.ffn_up.weight");
    ASSERT_EQ(up.dtype, info.dtype);
    std::vector<float> values(up.elements());
    dequantize_rows(up, 0, up.rows(), values.data());
    double sum = 0, squares = 0;
    for (const float v : values) {
      ASSERT_TRUE(std::isfinite(v)) << info.name;
      sum += v;
      squares += double(v) * v;
    }
    const double n = double(values.size()), sigma = std::sqrt(squares / n), wanted = 1 / std::sqrt(512.0);
    // MXFP4's scales are powers of two: at most half of one off.
    const double ratio = info.dtype == DType::MXFP4 ? 1.45 : 1.1;
    EXPECT_GT(sigma, wanted / ratio) << info.name;
    EXPECT_LT(sigma, wanted * ratio) << info.name;
    EXPECT_LT(std::abs(sum / n), 0.15 * wanted) << info.name;
  }
}

TEST(Synthetic, NeitherThreadsNorAnythingButTheSeedChangesTheFile) {
  const auto directory = fresh_directory("synthetic");
  for (const DType dtype : {DType::Q4_K, DType::F16, DType::NF4_DQ, DType::INT8}) {
    const std::string one = read_file(write(directory / "1.gguf", small_shape(), dtype, 7, 1));
    const std::string three = read_file(write(directory / "3.gguf", small_shape(), dtype, 7, 3));
    const std::string other = read_file(write(directory / "o.gguf", small_shape(), dtype, 8, 1));
    EXPECT_TRUE(one == three) << dtype_name(dtype);
    EXPECT_FALSE(one == other) << dtype_name(dtype);
  }
}

TEST(Synthetic, EveryShapeIsAModel) {
  const auto directory = fresh_directory("synthetic");
  for (const std::string& name : synthetic_shape_names()) {
    ModelConfig config = synthetic_shape(name);
    config.n_layers = 1;
    // The shape's proportions at a size that a test can write.
    config.hidden = 64;
    config.ffn = 64;
    config.vocab = 64;
    const auto checkpoint = Checkpoint::open(write(directory / "m.gguf", config, DType::F16, 1, 1));
    EXPECT_EQ(checkpoint->gguf()->metadata().get_string("tokenizer.ggml.model"), "none") << name;
    EXPECT_EQ(checkpoint->config().n_heads, config.n_heads) << name;
    EXPECT_EQ(checkpoint->config().tied_embeddings, config.tied_embeddings) << name;
    EXPECT_EQ(checkpoint->config().rope.freq_factors, config.rope.freq_factors) << name;
  }
  EXPECT_THAT(error_of([] { synthetic_shape("llama9"); }), HasSubstr("llama2-7b"));
}

/// Published parameter counts.
TEST(Synthetic, ShapesHaveTheirPublishedSize) {
  const auto parameters = [](const std::string& name) {
    const ModelConfig c = synthetic_shape(name);
    const uint64_t q = uint64_t(c.n_heads) * c.head_dim, kv = uint64_t(c.n_kv_heads) * c.head_dim;
    const uint64_t layer = uint64_t(c.hidden) * (2 * q + 2 * kv + 3 * uint64_t(c.ffn) + 2) +
                           (c.qkv_bias ? q + 2 * kv : 0) + (c.qk_norm ? 2 * c.head_dim : 0);
    return c.n_layers * layer + uint64_t(c.hidden) * (uint64_t(c.vocab) * (c.tied_embeddings ? 1 : 2) + 1);
  };
  EXPECT_EQ(parameters("llama2-7b"), 6738415616u);
  EXPECT_EQ(parameters("llama2-13b"), 13015864320u);
  EXPECT_EQ(parameters("llama3-8b"), 8030261248u);
  EXPECT_EQ(parameters("llama3.2-1b"), 1235814400u);
  EXPECT_EQ(parameters("llama3.2-3b"), 3212749824u);
  EXPECT_EQ(parameters("mistral-7b"), 7241732096u);
  EXPECT_EQ(parameters("tinyllama-1.1b"), 1100048384u);
  EXPECT_EQ(parameters("smollm2-135m"), 134515008u);
  EXPECT_EQ(parameters("qwen2.5-0.5b"), 494032768u);
  EXPECT_EQ(parameters("qwen2.5-7b"), 7615616512u);
  EXPECT_EQ(parameters("qwen3-0.6b"), 596049920u);
  EXPECT_EQ(parameters("qwen3-8b"), 8190735360u);
}

}  // namespace
}  // namespace nibble
