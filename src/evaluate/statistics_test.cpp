#include "evaluate/statistics.h"

#include <gtest/gtest.h>

#include <vector>

// Golden values: NumPy 2.4 and SciPy 1.17 (binomtest, Wilson's proportion_ci, stats.bootstrap).
namespace nibble {
namespace {

TEST(Statistics, MeanAndStandardError) {
  const std::vector<double> values = {0.5, -1.25, 3.75, 2.0, 0.125};
  const Estimate e = mean_estimate(values);
  EXPECT_DOUBLE_EQ(e.mean, 1.025);
  EXPECT_NEAR(e.standard_error, 0.8554969316134335, 1e-15);
  double sum = 0, squares = 0;
  for (const double v : values) sum += v, squares += v * v;
  EXPECT_NEAR(mean_estimate(values.size(), sum, squares).standard_error, 0.8554969316134335, 1e-14);
  EXPECT_EQ(mean_estimate({}).mean, 0);
  EXPECT_EQ(mean_estimate(std::vector<double>{3.0}).standard_error, 0);
  const Estimate p = proportion_estimate(37, 100);
  EXPECT_DOUBLE_EQ(p.mean, 0.37);
  EXPECT_NEAR(p.standard_error, 0.048523658709390974, 1e-15);
}

TEST(Statistics, WilsonInterval) {
  const Interval middle = wilson_interval(37, 100);
  EXPECT_NEAR(middle.low, 0.28182360534324535, 1e-12);
  EXPECT_NEAR(middle.high, 0.4677947041905709, 1e-12);
  EXPECT_EQ(wilson_interval(0, 20).low, 0);
  EXPECT_NEAR(wilson_interval(0, 20).high, 0.16112515805281935, 1e-12);
  EXPECT_NEAR(wilson_interval(1170, 1170).low, 0.9967274466310354, 1e-12);
  EXPECT_NEAR(wilson_interval(1170, 1170).high, 1, 1e-15);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Statistics, Quantiles) {
  const std::vector<double> sorted = {1, 2, 4, 8, 16};
  EXPECT_EQ(quantile(sorted, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.1), 1.4);
  EXPECT_EQ(quantile(sorted, 0.5), 4);
  EXPECT_DOUBLE_EQ(quantile(sorted, 0.9), 12.8);
  EXPECT_EQ(quantile(sorted, 1), 16);
  EXPECT_EQ(quantile({}, 0.5), 0);
}

TEST(Statistics, McNemarExact) {
  EXPECT_NEAR(mcnemar_exact(5, 15), 0.04138946533203125, 1e-12);
  EXPECT_NEAR(mcnemar_exact(15, 5), 0.04138946533203125, 1e-12);
  EXPECT_NEAR(mcnemar_exact(0, 6), 0.03125, 1e-14);
  EXPECT_EQ(mcnemar_exact(30, 31), 1);
  EXPECT_EQ(mcnemar_exact(10, 10), 1);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_EQ(mcnemar_exact(1, 0), 1);
  EXPECT_NEAR(mcnemar_exact(700, 900) / 6.319484959450105e-07, 1, 1e-9);
}

TEST(Statistics, TheUpperEndOfTangosInterval) {
  // The constrained likelihood maximized by a search, and the score's zero by bisection, in Python.
  constexpr double kOneSided95 = 1.6448536269514722;
  EXPECT_NEAR(paired_score_upper(20, 0, 0, kOneSided95), 0.11915783736096447, 1e-8);
  EXPECT_NEAR(paired_score_upper(50, 1, 0, kOneSided95), 0.08480529424830958, 1e-8);
  EXPECT_NEAR(paired_score_upper(200, 12, 5, kOneSided95), 0.0723511531178921, 1e-8);
  EXPECT_NEAR(paired_score_upper(1000, 25, 40, kOneSided95), -0.0017737528451880027, 1e-8);
  EXPECT_NEAR(paired_score_upper(2376, 60, 60, kOneSided95), 0.007659821657169602, 1e-8);
  EXPECT_NEAR(paired_score_upper(30, 28, 2, kOneSided95), 0.9553756583333364, 1e-8);
  EXPECT_EQ(paired_score_upper(0, 0, 0, kOneSided95), 1);
}

TEST(Statistics, SplitMix64MatchesItsReference) {
  uint64_t state = 0;
  EXPECT_EQ(splitmix64(state), 0xe220a8397b1dcdafu);
  EXPECT_EQ(splitmix64(state), 0x6e789e6aa1b965f4u);
}

TEST(Statistics, BootstrapIsSeededAndAgreesWithSciPy) {
  // The same draws in Python, its quantiles by NumPy.
  const Interval exact = paired_bootstrap(std::vector<double>{1, 0, 0, -1, 2, 0.5}, 7, 1000);
  EXPECT_DOUBLE_EQ(exact.low, -0.25);
  EXPECT_NEAR(exact.high, 1.16666667, 1e-8);

  std::vector<bool> a, b;
  const auto add = [&](int count, bool first, bool second) {
    a.insert(a.end(), size_t(count), first);
    b.insert(b.end(), size_t(count), second);
  };
  add(25, false, true);
  add(40, true, false);
  add(80, true, true);
  add(55, false, false);
  const PairedDifference d = compare_paired(a, b, 0);
  EXPECT_NEAR(d.difference.mean, -0.075, 1e-15);
  EXPECT_NEAR(d.difference.standard_error, 0.040061196905327695, 1e-15);
  EXPECT_EQ(d.n, 200u);
  EXPECT_EQ(d.only_a, 40u);
  EXPECT_EQ(d.only_b, 25u);
  // The interval's ends are multiples of 1 / 200; one step is allowed for the other generator.
  EXPECT_NEAR(d.bootstrap.low, -0.155, 0.00501);
  EXPECT_NEAR(d.bootstrap.high, 0.005, 0.00501);
  EXPECT_EQ(compare_paired(a, b, 0).bootstrap.low, d.bootstrap.low);
}

}  // namespace
}  // namespace nibble
