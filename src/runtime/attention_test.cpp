#include "runtime/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "base/half.h"

namespace nibble {
namespace {

struct Shape {
  uint32_t n_heads, n_kv_heads, head_dim, window;
  KvType type;
};

/// Random queries, keys and values of a sequence of `tokens`, in a cache and beside it.
class AttentionTest : public testing::TestWithParam<Shape> {
 protected:
  static constexpr uint32_t kTokens = 1100;  // more than two chunks

  void SetUp() override {
    const Shape& shape = GetParam();
    config_.n_layers = 1;
    config_.n_heads = shape.n_heads;
    config_.n_kv_heads = shape.n_kv_heads;
    config_.head_dim = shape.head_dim;
    config_.sliding_window = shape.window;
    q_width_ = shape.n_heads * shape.head_dim;
    kv_width_ = shape.n_kv_heads * shape.head_dim;
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0.0f, 1.5f);
    for (auto* values : {&q_, &k_, &v_}) {
      values->resize(kTokens * (values == &q_ ? q_width_ : kv_width_));
      for (float& x : *values) x = half_to_float(float_to_half(normal(random)));  // exact in either cache
    }
  }

  KvCache filled_cache() const {
    KvCache cache(config_, 1, kTokens, GetParam().type);
    cache.make_room(0, kTokens);
    for (uint32_t t = 0; t < kTokens; ++t) cache.append(0, 0, t, &k_[t * kv_width_], &v_[t * kv_width_]);
    return cache;
  }

  /// Attention of tokens [first, kTokens) in blocks of `step`.
  std::vector<float> run(uint32_t first, uint32_t step, int threads) const {
    const KvCache cache = filled_cache();
    ThreadPool pool(threads);
    Attention attention(config_);
    std::vector<uint32_t> order(kTokens);
    std::iota(order.begin(), order.end(), 0u);
    std::vector<QueryBlock> blocks;
    for (uint32_t t = first; t < kTokens; t += step) {
      blocks.push_back({0, t, {&order[t], std::min(step, kTokens - t)}});
    }
    std::vector<float> out(kTokens * q_width_, -1.0f);
    attention.run(cache, 0, blocks, q_.data(), out.data(), pool);
    return out;
  }

  ModelConfig config_;
  size_t q_width_ = 0, kv_width_ = 0;
  std::vector<float> q_, k_, v_;
};

TEST_P(AttentionTest, IsSoftmaxOfScaledProducts) {
  const Shape& shape = GetParam();
  const std::vector<float> out = run(0, uint32_t(Attention(config_).query_tokens()), 2);
  // All ends of panels, blocks and chunks and the places around them, without the cost of every token.
  for (uint32_t t = 0; t < kTokens; t += t > 130 && t % 64 == 1 ? 62 : 1) {
    const uint32_t begin = shape.window != 0 && t + 1 > shape.window ? t + 1 - shape.window : 0;
    for (uint32_t h = 0; h < shape.n_heads; ++h) {
      const size_t kv = h / (shape.n_heads / shape.n_kv_heads) * shape.head_dim;
      const float* q = &q_[t * q_width_ + h * shape.head_dim];
      std::vector<double> weights;
      for (uint32_t p = begin; p <= t; ++p) {
        double score = 0.0;
        for (uint32_t i = 0; i < shape.head_dim; ++i) score += double(q[i]) * k_[p * kv_width_ + kv + i];
        weights.push_back(score / std::sqrt(double(shape.head_dim)));
      }
      const double max = *std::max_element(weights.begin(), weights.end());
      for (double& weight : weights) weight = std::exp(weight - max);
      const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
      for (uint32_t i = 0; i < shape.head_dim; ++i) {
        double expected = 0.0;
        for (uint32_t p = begin; p <= t; ++p)
          expected += weights[p - begin] / sum * v_[p * kv_width_ + kv + i];
        // Scores of size 10 carry an error of about 1e-6 into the exponent.
        ASSERT_NEAR(out[t * q_width_ + h * shape.head_dim + i], expected, 2e-5)
            << "token " << t << " head " << h;
      }
    }
  }
}

TEST_P(AttentionTest, CompanyAndThreadsChangeNothing) {
  const std::vector<float> together = run(0, uint32_t(Attention(config_).query_tokens()), 1);
  EXPECT_EQ(run(0, 1, 1), together);
  EXPECT_EQ(run(0, 1, 3), together);
  // From 130 on there are tasks for all threads; near the end chunks become tasks.
  for (const uint32_t first : {130u, kTokens - 3, kTokens - 1}) {
    const std::vector<float> later = run(first, 3 <= Attention(config_).query_tokens() ? 3 : 1, 4);
    for (size_t i = first * q_width_; i < together.size(); ++i) ASSERT_EQ(later[i], together[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest,
                         testing::Values(Shape{4, 4, 16, 0, KvType::f32}, Shape{9, 3, 64, 0, KvType::f16},
                                         Shape{6, 2, 24, 37, KvType::f32}, Shape{4, 1, 80, 65, KvType::f16},
                                         Shape{2, 2, 128, 64, KvType::f16}, Shape{3, 1, 5, 1, KvType::f32},
                                         Shape{40, 1, 8, 0, KvType::f32}),
                         [](const auto& param) {
                           const Shape& s = param.param;
                           return std::to_string(s.n_heads) + "x" + std::to_string(s.n_kv_heads) + "x" +
                                  std::to_string(s.head_dim) + "w" + std::to_string(s.window) +
                                  (s.type == KvType::f16 ? "f16" : "f32");
                         });

TEST(AttentionSafetyTest, LaterTokensThatOverflowDoNotReachEarlierOnes) {
  ModelConfig config;
  config.n_layers = config.n_heads = config.n_kv_heads = 1;
  config.head_dim = 16;
  KvCache cache(config, 1, 8, KvType::f16);
  cache.make_room(0, 8);
  const std::vector<float> one(16, 1.0f), huge(16, 1e30f);  // infinite as a half
  for (uint32_t t = 0; t < 8; ++t)
    cache.append(0, 0, t, t < 5 ? one.data() : huge.data(), t < 5 ? one.data() : huge.data());
  std::vector<uint32_t> order(8);
  std::iota(order.begin(), order.end(), 0u);
  const QueryBlock block{0, 0, order};
  const std::vector<float> q(8 * 16, 1.0f);
  std::vector<float> out(8 * 16);
  ThreadPool pool(1);
  Attention attention(config);
  attention.run(cache, 0, {&block, 1}, q.data(), out.data(), pool);
  for (size_t i = 0; i < 5 * 16; ++i) EXPECT_EQ(out[i], 1.0f);
}

}  // namespace
}  // namespace nibble
