#include "evaluate/roofs.h"

#include <gtest/gtest.h>

#include "engine/tiny_model_test.h"
#include "kernels/linear.h"

namespace nibble {
namespace {

/// 1 to 8 threads: memory is at its limit with 4, multiplying grows with every thread.
const std::vector<Roofs> kSteps = {
    {1, 10e9, 100e9, 50e9}, {2, 19e9, 200e9, 100e9}, {4, 29.5e9, 400e9, 200e9}, {8, 30e9, 790e9, 395e9}};
/// A gigabyte of weights, multiplied as int8 but for the output matrix.
const WeightTraffic kTraffic = {1'000'000'000, {3'000'000'000, 0}, {0, 500'000'000}};

TEST(Roofs, TheRooflineIsTheLongerOfReadingAndMultiplying) {
  EXPECT_DOUBLE_EQ(roofline_seconds(kSteps[0], kTraffic, 1, 1), 0.1);
  EXPECT_DOUBLE_EQ(roofline_seconds(kSteps[0], kTraffic, 100, 10), 3.0 + 0.1);
}

TEST(Roofs, TheHighestOfEachFigureCounts) {
  std::vector<Roofs> steps = kSteps;
  steps[1].read_bytes_per_s = 31e9;
  const Roofs best = highest(steps);
  EXPECT_EQ(best.threads, 8);
  EXPECT_EQ(best.read_bytes_per_s, 31e9);
  EXPECT_EQ(best.int8_ops_per_s, 790e9);
  EXPECT_EQ(best.float_ops_per_s, 395e9);
}

TEST(Roofs, EveryWeightOfAModelIsTwoOperations) {
  const TinyModel file;
  ThreadPool pool(1);
  const auto model = Model::load(Checkpoint::open(file.path()), pool);
  const ModelConfig& c = model->config();
  const uint64_t q = uint64_t(c.n_heads) * c.head_dim, kv = uint64_t(c.n_kv_heads) * c.head_dim;
  const uint64_t layer = c.hidden * (q + 2 * kv) + q * c.hidden + 3 * uint64_t(c.hidden) * c.ffn;
  const uint64_t output = uint64_t(c.vocab) * c.hidden;
  const WeightTraffic traffic = weight_traffic(*model);
  EXPECT_EQ(traffic.float32.layers, 2 * c.n_layers * layer);
  EXPECT_EQ(traffic.float32.output, 2 * output);
  EXPECT_EQ(traffic.int8.layers + traffic.int8.output, 0u);
  EXPECT_EQ(traffic.bytes, sizeof(float) * (c.n_layers * layer + output));
}

}  // namespace
}  // namespace nibble
