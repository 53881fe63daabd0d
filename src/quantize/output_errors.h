#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "quantize/tile_matrix.h"

namespace nibble {

/// (dW H dW^T)_rr of rows of dW: what a change of weights costs each output, squared, over the inputs that
/// H = X^T X sums up.
class OutputErrors {
 public:
  /// Rows at a time: the more, the fewer times H is read.
  static constexpr size_t kRows = 32;

  /// H must outlive the object.
  explicit OutputErrors(const TileMatrix& hessian);

  /// Row `r` < kRows of dW [H's size].
  void set(size_t r, std::span<const float> row);
  /// The errors of rows 0 .. rows - 1.
  const std::array<double, kRows>& compute(size_t rows);

 private:
  static constexpr size_t kLane = TileMatrix::kTile;
  float* lane(size_t i) { return &d_[i * kRows * kLane]; }
  void add_products(size_t lane_index, size_t rows, double factor);

  const TileMatrix& hessian_;
  std::vector<float> d_;        // [lanes, kRows, kLane]
  std::vector<float> product_;  // [kRows, kLane]
  std::array<double, kRows> errors_{};
};

}  // namespace nibble
