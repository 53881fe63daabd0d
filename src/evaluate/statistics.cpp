#include "evaluate/statistics.h"

#include <algorithm>
#include <cmath>

namespace nibble {

Estimate mean_estimate(uint64_t n, double sum, double sum_of_squares) {
  if (n == 0) return {};
  const double count = double(n), mean = sum / count;
  if (n == 1) return {mean, 0};
  // Rounding can take a variance of nearly zero below it.
  const double variance = std::max(0.0, sum_of_squares / count - mean * mean);
  return {mean, std::sqrt(variance / (count - 1))};
}

Estimate mean_estimate(std::span<const double> values) {
  if (values.empty()) return {};
  double sum = 0;
  for (const double v : values) sum += v;
  const double count = double(values.size()), mean = sum / count;
  if (values.size() == 1) return {mean, 0};
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

Estimate proportion_estimate(uint64_t successes, uint64_t n) {
  return mean_estimate(n, double(successes), double(successes));
}

Interval wilson_interval(uint64_t successes, uint64_t n, double z) {
  if (n == 0) return {0, 1};
  const double count = double(n), p = double(successes) / count, z2 = z * z;
  const double center = (p + z2 / (2 * count)) / (1 + z2 / count);
  const double half = z / (1 + z2 / count) * std::sqrt(p * (1 - p) / count + z2 / (4 * count * count));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

double quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * double(sorted.size() - 1);
  const auto below = size_t(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (rank - double(below)) * (sorted[above] - sorted[below]);
}

double mcnemar_exact(uint64_t first, uint64_t second) {
  const uint64_t n = first + second, fewer = std::min(first, second);
  if (first == second) return 1;
  // Terms C(n, k) / 2^n in logarithms, since 2^-n leaves the range of doubles from n = 1075 on.
  double tail = 0;
  for (uint64_t k = 0; k <= fewer; ++k) {
    tail += std::exp(std::lgamma(double(n) + 1) - std::lgamma(double(k) + 1) -
                     std::lgamma(double(n - k) + 1) - double(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Interval paired_bootstrap(std::span<const double> differences, uint64_t seed, int resamples) {
  if (differences.empty() || resamples < 1) return {};
  std::vector<double> means(static_cast<size_t>(resamples));
  uint64_t state = seed;
  const uint64_t n = differences.size();
  for (double& mean : means) {
    double sum = 0;
    for (uint64_t i = 0; i < n; ++i) {
      // Multiply and shift maps 32 random bits to [0, n) with a bias below n / 2^32.
      sum += differences[((splitmix64(state) >> 32) * n) >> 32];
    }
    mean = sum / double(n);
  }
  std::sort(means.begin(), means.end());
  return {quantile(means, 0.025), quantile(means, 0.975)};
}

namespace {

/// (observed - supposed difference) / its standard error where the difference is `supposed`: with the maximum
/// likelihood of the discordant pairs under that constraint.
double paired_score(double n, double first, double second, double supposed) {
  const double b = (2 * n - first + second) * supposed - first - second;
  const double c = -second * supposed * (1 - supposed);
  const double second_share = (std::sqrt(b * b - 8 * n * c) - b) / (4 * n);
  const double variance = n * (2 * second_share + supposed * (1 - supposed));
  return variance > 0 ? (first - second - n * supposed) / std::sqrt(variance) : 0;
}

}  // namespace

double paired_score_upper(uint64_t n, uint64_t first, uint64_t second, double z) {
  if (n == 0) return 1;
  const double count = double(n), most = double(first), least = double(second);
  double low = (most - least) / count, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (paired_score(count, most, least, middle) > -z ? low : high) = middle;
  }
  return high;
}

PairedDifference compare_paired(const std::vector<bool>& a, const std::vector<bool>& b, uint64_t seed) {
  PairedDifference result;
  result.n = a.size();
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    differences[i] = double(b[i]) - double(a[i]);
    result.only_a += a[i] && !b[i];
    result.only_b += b[i] && !a[i];
  }
  result.difference = mean_estimate(differences);
  result.bootstrap = paired_bootstrap(differences, seed);
  result.p = mcnemar_exact(result.only_a, result.only_b);
  return result;
}

}  // namespace nibble
