#include "quantize/output_errors.h"

namespace nibble {

OutputErrors::OutputErrors(const TileMatrix& hessian)
    : hessian_(hessian), d_(hessian.padded() * kRows), product_(kRows * kLane) {}

void OutputErrors::set(size_t r, std::span<const float> row) {
  for (size_t j = 0; j < row.size(); ++j) lane(j / kLane)[r * kLane + j % kLane] = row[j];
}

const std::array<double, OutputErrors::kRows>& OutputErrors::compute(size_t rows) {
  errors_.fill(0);
  // From the upper triangle of H: what stands below it counts twice.
  for (size_t j = 0; j < hessian_.tiles(); ++j) {
    for (size_t i = 0; i < j; ++i) {
      multiply_tile(lane(i), kLane, rows, hessian_.tile(i, j), kLane, i > 0, product_.data());
    }
    if (j > 0) add_products(j, rows, 2);
    multiply_tile(lane(j), kLane, rows, hessian_.tile(j, j), kLane, false, product_.data());
    add_products(j, rows, 1);
  }
  return errors_;
}

/// Adds each row's product with its part of a lane.
void OutputErrors::add_products(size_t lane_index, size_t rows, double factor) {
  for (size_t r = 0; r < rows; ++r) {
    const float *p = &product_[r * kLane], *d = lane(lane_index) + r * kLane;
    std::array<float, 8> sums{};
    for (size_t k = 0; k < kLane; ++k) sums[k % sums.size()] += p[k] * d[k];
    double sum = 0;
    for (const float part : sums) sum += double(part);
    errors_[r] += factor * sum;
  }
}

}  // namespace nibble
