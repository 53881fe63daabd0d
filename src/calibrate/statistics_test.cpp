#include "calibrate/statistics.h"

#include <gtest/gtest.h>

namespace nibble::statistics_test {
namespace {

using Kind = InputStatistics::Kind;

TEST(InputStatistics, SumsAndMaximaOverAllThatWasAdded) {
  ThreadPool pool(2);
  InputStatistics statistics(2, Kind::maxima);
  const float first[] = {1, -2, -3, 0.5f}, second[] = {2, 1};
  statistics.add(first, 2, pool);
  statistics.add(second, 1, pool);
  EXPECT_EQ(statistics.tokens(), 3u);
  EXPECT_EQ(statistics.squares(), (std::vector<double>{14, 5.25}));
  EXPECT_EQ(statistics.magnitudes(), (std::vector<double>{6, 3.5}));
  EXPECT_EQ(statistics.maxima(), (std::vector<float>{3, 2}));
}

TEST(InputStatistics, WhatWasNotAskedForIsNotGathered) {
  ThreadPool pool(1);
  const float x[] = {1, -2};
  InputStatistics diagonal(2, Kind::diagonal), hessian(2, Kind::hessian);
  diagonal.add(x, 1, pool);
  hessian.add(x, 1, pool);
  EXPECT_TRUE(diagonal.maxima().empty());
  EXPECT_EQ(diagonal.hessian().size(), 0u);
  EXPECT_TRUE(hessian.maxima().empty());
  EXPECT_EQ(hessian.hessian().at(0, 1), -2.0f);
}

}  // namespace
}  // namespace nibble::statistics_test
