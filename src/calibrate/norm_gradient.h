#pragma once

#include <cmath>
#include <cstddef>

namespace nibble {

/// The gradient [n] by x of y = r w x with r = 1 / sqrt(mean(x^2) + eps), from that by y:
/// dx = r w dy - x r^3 mean(x w dy).
inline void norm_gradient(const float* x, const float* weight, float eps, const float* dy, size_t n,
                          float* dx) {
  double squares = 0, products = 0;
  for (size_t i = 0; i < n; ++i) {
    squares += double(x[i]) * x[i];
    products += double(x[i]) * weight[i] * dy[i];
  }
  const double r = 1.0 / std::sqrt(squares / double(n) + eps);
  const auto scale = float(r), along = float(r * r * r * products / double(n));
  for (size_t i = 0; i < n; ++i) dx[i] = scale * weight[i] * dy[i] - along * x[i];
}

}  // namespace nibble
