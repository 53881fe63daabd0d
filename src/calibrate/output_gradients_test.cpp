#include "calibrate/output_gradients.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "model/testing.h"

namespace nibble {
namespace {

using nlohmann::json;

/// A case of tests/reference/make_output_gradients_golden.py.
struct Golden {
  json data = json::parse(read_file(std::string(NIBBLE_SOURCE_DIR) + "/tests/golden/output_gradients.json"));

  std::shared_ptr<const Checkpoint> checkpoint() const {
    ModelConfig config = testing::small_config("qwen2");
    config.hidden = 8;
    config.ffn = 12;
    config.n_heads = 2;
    config.n_kv_heads = 1;
    config.head_dim = config.rope.dims = 4;
    config.vocab = 20;
    config.context_length = 32;
    config.norm_eps = 1e-5f;
    const auto path = testing::fresh_directory("output_gradients") / "model.gguf";
    const auto tensors = testing::f32_tensors(config);
    GgufWriter writer(path, testing::metadata_of(config), tensors);
    for (const auto& tensor : tensors) {
      const auto values = data["tensors"][tensor.name]["values"].get<std::vector<float>>();
      writer.write(std::as_bytes(std::span(values)));
    }
    writer.finish();
    return Checkpoint::open(path);
  }

  /// The text `copies` times: with more of them the mean over drawn tokens comes nearer to the expectation.
  CalibrationData text(size_t copies) const {
    return {"golden", {copies, data["tokens"].get<std::vector<int32_t>>()}};
  }
};

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// `spread`: what a mean of draws may be away from its expectation, of one row and of their sum.
void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double spread) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_NEAR(sum(found) / sum(expected), 1, spread);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 4 * spread * expected[i]) << i;
}

TEST(OutputGradients, EqualTheExpectationOfTheNumPyReference) {
  const Golden golden;
  const auto checkpoint = golden.checkpoint();
  ThreadPool pool(2);
  const OutputGradients found = measure_output_gradients(*checkpoint, golden.text(600), 1, pool);
  // 600 draws of a square: its relative standard deviation is about sqrt(2 / 600) = 6%, of a sum less.
  constexpr double kSpread = 0.06;
  for (const auto& [name, squares] : golden.data["squares"].items()) {
    SCOPED_TRACE(name);
    // Nothing is drawn for the logits; layers run with weights of 8 bits where their widths allow.
    expect_near(found.squares.at(name), squares, name == "output.weight" ? 1e-4 : kSpread);
  }
  expect_near(found.embedding, golden.data["embedding"], kSpread);
  EXPECT_EQ(found.squares.size(), 2 * 7 + 1u);
}

TEST(OutputGradients, ThreadsDoNotChangeThem) {
  const Golden golden;
  const auto checkpoint = golden.checkpoint();
  ThreadPool one(1), three(3);
  const OutputGradients a = measure_output_gradients(*checkpoint, golden.text(3), 1, one);
  const OutputGradients b = measure_output_gradients(*checkpoint, golden.text(3), 1, three);
  EXPECT_EQ(a.squares, b.squares);
  EXPECT_EQ(a.embedding, b.embedding);
}

}  // namespace
}  // namespace nibble
