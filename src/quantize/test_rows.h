#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

/// Rows that the quantizers are tested on, also made by tests/reference/record_llamacpp_rmse.py and
/// make_bitsandbytes_golden.py.
namespace nibble {

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In (0, 1), 53 bits.
  double uniform() { return (double(next() >> 11) + 0.5) * 0x1p-53; }
  /// Box and Muller, the cosine half.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_;
};

enum class Distribution { gauss, student3, laplace };

inline double draw(SplitMix64& r, Distribution distribution) {
  switch (distribution) {
    case Distribution::gauss:
      return r.normal();
    case Distribution::student3: {
      const double z = r.normal();
      double chi2 = 0;
      for (int i = 0; i < 3; ++i) {
        const double n = r.normal();
        chi2 += n * n;
      }
      return z / std::sqrt(chi2 / 3.0);
    }
    case Distribution::laplace: {
      const double magnitude = -std::log(r.uniform());
      return r.uniform() < 0.5 ? magnitude : -magnitude;
    }
  }
  return 0;
}

/// `count` values of standard scale 0.02.
inline std::vector<float> make_values(Distribution distribution, uint64_t count) {
  SplitMix64 r(uint64_t(distribution) + 1);
  std::vector<float> x(count);
  for (float& v : x) v = float(0.02 * draw(r, distribution));
  return x;
}

}  // namespace nibble
