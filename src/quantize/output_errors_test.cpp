#include "quantize/output_errors.h"

#include <gtest/gtest.h>

#include <random>

namespace nibble {
namespace {

/// Against the definition, in double precision: sizes below, at and above a tile.
TEST(OutputErrors, EqualsTheDefinition) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  ThreadPool pool(2);
  for (const size_t n : {1u, 100u, 128u, 300u}) {
    SCOPED_TRACE(n);
    std::vector<float> x(3 * n * n);
    for (float& v : x) v = normal(random);
    TileMatrix hessian(n);
    add_gram(hessian, x.data(), x.size() / n, pool);
    OutputErrors errors(hessian);
    std::vector<double> expected;
    for (size_t r = 0; r < 5; ++r) {
      std::vector<float> row(n);
      for (float& v : row) v = normal(random);
      errors.set(r, row);
      double sum = 0;
      for (size_t t = 0; t < x.size() / n; ++t) {
        double product = 0;
        for (size_t j = 0; j < n; ++j) product += double(row[j]) * x[t * n + j];
        sum += product * product;
      }
      expected.push_back(sum);
    }
    const auto result = errors.compute(expected.size());
    for (size_t r = 0; r < expected.size(); ++r) EXPECT_NEAR(result[r], expected[r], 2e-5 * expected[r]) << r;
    // Rows are independent of each other, and of what was there before.
    EXPECT_EQ(errors.compute(1)[0], result[0]);
  }
}

}  // namespace
}  // namespace nibble
