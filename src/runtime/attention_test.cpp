#include "runtime/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "kernels/registry.h"
#include "runtime/stored_token_test.h"

namespace nibble {
namespace {

struct Shape {
  uint32_t n_heads, n_kv_heads, head_dim, window;
  KvType type;
};

/// Random queries, keys and values of a sequence of `tokens`, in a cache and beside it.
class AttentionTest : public ::testing::TestWithParam<Shape> {
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

/// The softmax-weighted sum of the values that a query [head_dim] sees, in double, and how far integers may
/// lie from it.
struct Expected {
  std::vector<double> out;
  double tolerance;
};

/// The query as it is multiplied: for quantized keys rotated (kv_layout_test.cpp) and rounded to int8 in
/// groups of 32 (kernels' activations_test.cpp).
std::vector<double> multiplied_query(const float* q, const KvLayout& layout) {
  const uint32_t head_dim = layout.head_dim;
  std::vector<double> query(q, q + head_dim);
  for (double& x : query) x /= std::sqrt(double(head_dim));
  if (!layout.quantized()) return query;
  std::vector<float> turned(head_dim), scale(layout.groups());
  layout.rotate(q, 1.0f / std::sqrt(float(head_dim)), turned.data(), 1);
  std::vector<int8_t> codes(layout.groups() * 32);
  std::vector<int32_t> sums(layout.groups());
  std::vector<float> scaled_sums(layout.groups());
  select_quantize_activations(Isa::scalar)(
      turned.data(), head_dim, 32, {codes.data(), nullptr, scale.data(), sums.data(), scaled_sums.data(), 1});
  for (size_t i = 0; i < head_dim; ++i) query[i] = double(codes[i]) * scale[i / 32];
  return query;
}

Expected expected_attention(const std::vector<StoredToken>& tokens, uint32_t begin, uint32_t end,
                            const std::vector<double>& query) {
  std::vector<double> weights(end, 0.0);
  double max = -1e300, sum = 0.0;
  for (uint32_t p = begin; p < end; ++p) {
    weights[p] = std::inner_product(query.begin(), query.end(), tokens[p].key.begin(), 0.0);
    max = std::max(max, weights[p]);
  }
  for (uint32_t p = begin; p < end; ++p) sum += weights[p] = std::exp(weights[p] - max);
  Expected expected{std::vector<double>(query.size(), 0.0), 2e-5};  // float scores of size 10 err by 1e-6
  std::vector<double> largest(end / 64 + 1, 0.0);  // of a block, weight times step of the values
  for (uint32_t p = begin; p < end; ++p) {
    for (size_t i = 0; i < query.size(); ++i) {
      expected.out[i] += weights[p] / sum * tokens[p].value[i];
      largest[p / 64] = std::max(largest[p / 64], weights[p] / sum * tokens[p].value_step[i]);
    }
  }
  // Weights are rounded to 1/16383 of a block's largest; at most 127 steps make a value.
  for (const double step : largest) expected.tolerance += 64 * 0.5 / 16383 * step * 127;
  return expected;
}

TEST_P(AttentionTest, IsSoftmaxOfScaledProducts) {
  const Shape& shape = GetParam();
  const KvCache cache = filled_cache();
  const std::vector<float> out = run(0, uint32_t(Attention(config_).query_tokens()), 2);
  for (uint32_t kv = 0; kv < shape.n_kv_heads; ++kv) {
    std::vector<StoredToken> tokens;
    for (uint32_t p = 0; p < kTokens; ++p) {
      tokens.push_back(BlockReader(cache.layout(), cache.block(0, 0, kv, p / 64)).read(p % 64));
    }
    // All ends of panels, blocks and chunks and the places around them, without the cost of every token.
    for (uint32_t t = 0; t<kTokens; t += t> 130 && t % 64 == 1 ? 62 : 1) {
      const uint32_t begin = shape.window != 0 && t + 1 > shape.window ? t + 1 - shape.window : 0;
      const uint32_t group = shape.n_heads / shape.n_kv_heads;
      for (uint32_t h = kv * group; h < (kv + 1) * group; ++h) {
        const size_t offset = t * q_width_ + h * shape.head_dim;
        const std::vector<double> query = multiplied_query(&q_[offset], cache.layout());
        const Expected expected = expected_attention(tokens, begin, t + 1, query);
        for (uint32_t i = 0; i < shape.head_dim; ++i) {
          ASSERT_NEAR(out[offset + i], expected.out[i], expected.tolerance) << "token " << t << " head " << h;
        }
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

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    ::testing::Values(Shape{4, 4, 16, 0, KvType::f32}, Shape{9, 3, 64, 0, KvType::f16},
                      Shape{6, 2, 24, 37, KvType::f32}, Shape{4, 1, 80, 65, KvType::f16},
                      Shape{2, 2, 128, 64, KvType::f16}, Shape{3, 1, 5, 1, KvType::f32},
                      Shape{40, 1, 8, 0, KvType::f32}, Shape{9, 3, 64, 0, KvType::int8},
                      Shape{2, 2, 128, 0, KvType::int8}, Shape{4, 1, 80, 65, KvType::int8},
                      Shape{6, 2, 96, 600, KvType::int8}, Shape{3, 1, 5, 37, KvType::int8},
                      Shape{9, 3, 64, 0, KvType::int4}, Shape{2, 2, 128, 0, KvType::int4},
                      Shape{4, 1, 80, 65, KvType::int4}, Shape{6, 2, 96, 600, KvType::int4},
                      Shape{3, 1, 5, 1, KvType::int4}, Shape{40, 1, 100, 0, KvType::int8},
                      Shape{4, 2, 64, 0, KvType::int8_unrotated}, Shape{4, 2, 64, 0, KvType::int4_unrotated}),
    [](const auto& param) {
      const Shape& s = param.param;
      return std::to_string(s.n_heads) + "x" + std::to_string(s.n_kv_heads) + "x" +
             std::to_string(s.head_dim) + "w" + std::to_string(s.window) + "_" +
             std::string(kv_type_name(s.type));
    });

class AttentionSafetyTest : public ::testing::TestWithParam<KvType> {};
INSTANTIATE_TEST_SUITE_P(Types, AttentionSafetyTest,
                         ::testing::Values(KvType::f16, KvType::int8, KvType::int4),
                         [](const auto& param) { return std::string(kv_type_name(param.param)); });

TEST_P(AttentionSafetyTest, LaterTokensThatOverflowDoNotReachEarlierOnes) {
  ModelConfig config;
  config.n_layers = config.n_heads = config.n_kv_heads = 1;
  config.head_dim = 16;
  KvCache cache(config, 1, 8, GetParam());
  cache.make_room(0, 8);
  const std::vector<float> one(16, 1.0f), huge(16, 1e30f);  // infinite as a half, and as a scale
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
  for (size_t i = 0; i < 5 * 16; ++i) EXPECT_NEAR(out[i], 1.0f, GetParam() == KvType::f16 ? 0.0f : 5e-4f);
  for (size_t i = 5 * 16; i < out.size(); ++i) EXPECT_FALSE(std::abs(out[i]) < 1e3f);
}

}  // namespace
}  // namespace nibble
