#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nibble {

/// A mean with its standard error.
struct Estimate {
  double mean = 0, standard_error = 0;
};

struct Interval {
  double low = 0, high = 0;
};

/// Mean of a series and its standard error sd / sqrt(n), with sd^2 = sum (x - mean)^2 / (n - 1): for
/// answers of 0 and 1 this is sqrt(p (1 - p) / (n - 1)), lm-evaluation-harness's stderr of acc. The
/// standard error of fewer than two values is 0.
Estimate mean_estimate(std::span<const double> values);
/// The same from sums: n values, their sum and the sum of their squares.
Estimate mean_estimate(uint64_t n, double sum, double sum_of_squares);
/// The same for `successes` ones among n values of 0 and 1.
Estimate proportion_estimate(uint64_t successes, uint64_t n);

/// Wilson's score interval of a proportion (Wilson 1927); z = 1.96 gives 95%. n = 0 gives [0, 1].
Interval wilson_interval(uint64_t successes, uint64_t n, double z = 1.959963984540054);

/// The q-quantile, 0 <= q <= 1, of ascending values, interpolated linearly between the nearest ranks
/// (NumPy's default). 0 for no values.
double quantile(std::span<const double> sorted, double q);

/// Exact McNemar test (McNemar 1947): of the pairs in which two systems differ, `first` went to the one
/// and `second` to the other. Returns the two-sided p value: the binomial probability with p = 1/2 of a
/// split at least as uneven.
double mcnemar_exact(uint64_t first, uint64_t second);

/// Of n pairs `first` went to one of two systems and `second` to the other: the largest difference
/// (first - second) / n of the proportions behind them that a score test at z does not reject, the upper end
/// of Tango's interval (Tango 1998, Statistics in Medicine 17, 891-908). Pairs that all agree still leave
/// z^2 / (n + z^2), where a standard error is 0. n = 0 gives 1.
double paired_score_upper(uint64_t n, uint64_t first, uint64_t second, double z);

/// Two systems measured on the same items.
struct PairedDifference {
  uint64_t n = 0;                   ///< items
  Estimate difference;              ///< mean of b - a, standard error over the pairs
  Interval bootstrap;               ///< 95%, see paired_bootstrap
  uint64_t only_a = 0, only_b = 0;  ///< items that one alone got right
  double p = 1;                     ///< mcnemar_exact(only_a, only_b)
};

/// 95% percentile interval of the mean (Efron 1979): `resamples` draws of n values with replacement,
/// seeded, so that it is the same on every machine.
Interval paired_bootstrap(std::span<const double> differences, uint64_t seed, int resamples = 10000);

/// a[i] and b[i] tell whether the systems got item i right; sizes are equal.
PairedDifference compare_paired(const std::vector<bool>& a, const std::vector<bool>& b, uint64_t seed);

/// SplitMix64 (Steele, Lea and Flood 2014): the next value of a 64-bit generator.
inline uint64_t splitmix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace nibble
