#include "quantize/tile_matrix.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/test_rows.h"

namespace nibble::tile_matrix_test {
namespace {

constexpr size_t kSize = 300, kTokens = 700;  // three tiles, the last one partly

/// x^T x, and ones on the diagonal of what pads it.
TileMatrix gram(const std::vector<float>& x, size_t tokens, ThreadPool& pool) {
  TileMatrix m(kSize);
  add_gram(m, x.data(), tokens, pool);
  for (size_t i = kSize; i < m.padded(); ++i) m.set(i, i, 1.0f);
  return m;
}

TEST(TileMatrix, GramIsTheSumOfOuterProducts) {
  ThreadPool pool(2);
  const std::vector<float> x = make_values(Distribution::gauss, kTokens * kSize);
  TileMatrix m = gram(x, kTokens, pool);
  for (const auto& [i, j] : {std::pair{0, 0}, {3, 150}, {299, 1}, {128, 127}, {299, 299}}) {
    double sum = 0;
    for (size_t t = 0; t < kTokens; ++t) sum += double(x[t * kSize + i]) * x[t * kSize + j];
    EXPECT_NEAR(m.at(i, j), sum, 1e-6 * kTokens * 4e-4) << i << " " << j;
  }
}

TEST(TileMatrix, FactorAndInverseMultiplyToWhatTheyCameFrom) {
  ThreadPool pool(2);
  const TileMatrix m = gram(make_values(Distribution::gauss, kTokens * kSize), kTokens, pool);
  TileMatrix r(kSize);
  for (size_t i = 0; i < m.padded(); ++i) {
    for (size_t j = i; j < m.padded(); ++j) r.set(i, j, m.at(i, j));
  }
  ASSERT_TRUE(factorize(r, pool));
  const TileMatrix inverse = invert_upper(r, pool);
  const double scale = m.at(0, 0);
  for (size_t i = 0; i < kSize; i += 37) {
    for (size_t j = i; j < kSize; j += 23) {
      double product = 0, identity = 0;
      for (size_t k = 0; k <= i; ++k) product += double(r.at(k, i)) * r.at(k, j);
      for (size_t k = i; k <= j; ++k) identity += double(r.at(i, k)) * inverse.at(k, j);
      EXPECT_NEAR(product, m.at(i, j), 1e-5 * scale);
      EXPECT_NEAR(identity, i == j ? 1.0 : 0.0, 1e-4);
    }
  }
}

TEST(TileMatrix, ResultsDoNotDependOnThreads) {
  const std::vector<float> x = make_values(Distribution::laplace, kTokens * kSize);
  ThreadPool one(1), three(3);
  TileMatrix a = gram(x, kTokens, one), b = gram(x, kTokens, three);
  ASSERT_TRUE(factorize(a, one) && factorize(b, three));
  const TileMatrix p = invert_upper(a, one), q = invert_upper(b, three);
  for (size_t i = 0; i < kSize; ++i) {
    for (size_t j = i; j < kSize; ++j) ASSERT_EQ(p.at(i, j), q.at(i, j)) << i << " " << j;
  }
}

TEST(TileMatrix, WhatIsNotPositiveDefiniteIsRefused) {
  ThreadPool pool(2);
  TileMatrix m(kSize);
  for (size_t i = 0; i < m.padded(); ++i) m.set(i, i, 1.0f);
  m.set(2, 200, 3.0f);
  EXPECT_FALSE(factorize(m, pool));
  TileMatrix nan(kSize);
  for (size_t i = 0; i < nan.padded(); ++i) nan.set(i, i, std::nanf(""));
  EXPECT_FALSE(factorize(nan, pool));
}

}  // namespace
}  // namespace nibble::tile_matrix_test
