#include "quantize/fidelity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "quantize/fallback.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

constexpr size_t kRowsPerTask = 16;
constexpr double kGaussianErrors = 4, kLargestError = 0.6;

/// |W - Q| / |W| of Gaussian weights rounded to nearest, rounded up.
double gaussian_error(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return 0;
    case DType::F16:
      return 0.00022;
    case DType::BF16:
      return 0.0018;
    case DType::Q8_0:
    case DType::Q8_S50:
      return 0.0054;
    case DType::Q6_K:
      return 0.018;
    case DType::Q5_0:
      return 0.042;
    case DType::Q5_1:
    case DType::Q5_K:
      return 0.038;
    case DType::Q4_0:
    case DType::Q4_S50:
      return 0.085;
    case DType::Q4_1:
    case DType::Q4_K:
    case DType::IQ4_NL:
    case DType::IQ4_XS:
      return 0.078;
    case DType::MXFP4:
      return 0.115;
    case DType::NF4:
    case DType::NF4_DQ:
      return 0.095;
    case DType::FP4:
    case DType::FP4_DQ:
      return 0.13;
    case DType::INT4_G64:
    case DType::UINT4_G64:
      return 0.093;
    case DType::INT4_G128:
    case DType::UINT4_G128:
      return 0.103;
    case DType::Q3_K:
    case DType::Q2_K:
    case DType::INT8:
      break;
  }
  return kLargestError;
}

DType next_rung(DType dtype) {
  if (const auto dense = dense_dtype(dtype)) return *dense;
  switch (dtype) {
    case DType::Q2_K:
    case DType::Q3_K:
      return DType::Q4_K;
    case DType::Q5_0:
    case DType::Q5_K:
      return DType::Q6_K;
    case DType::Q5_1:
    case DType::Q6_K:
      return DType::Q8_0;
    case DType::Q8_0:
    case DType::INT8:
      return DType::F16;
    case DType::F16:
    case DType::BF16:
    case DType::F32:
      return DType::F32;
    default:
      return DType::Q5_K;
  }
}

}  // namespace

void Fidelity::add(const float* w, const float* q, uint64_t n) {
  constexpr uint64_t kLanes = 4;  // sums that the compiler keeps in one register, in a fixed order
  double sums[4][kLanes] = {};
  const auto add_value = [&](uint64_t j, uint64_t lane) {
    const double x = w[j], y = q[j];
    sums[0][lane] += x * x;
    sums[1][lane] += y * y;
    sums[2][lane] += x * y;
    sums[3][lane] += (x - y) * (x - y);
  };
  uint64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (uint64_t lane = 0; lane < kLanes; ++lane) add_value(j + lane, lane);
  }
  for (; j < n; ++j) add_value(j, 0);
  const auto total = [&](int sum) { return (sums[sum][0] + sums[sum][1]) + (sums[sum][2] + sums[sum][3]); };
  add({total(0), total(1), total(2), total(3)});
}

void Fidelity::add(const Fidelity& other) {
  source += other.source;
  written += other.written;
  product += other.product;
  error += other.error;
}

bool Fidelity::finite() const {
  return std::isfinite(written);
}

double Fidelity::cosine() const {
  if (error == 0) return 1;  // exactly, also where both are zero
  const double norms = std::sqrt(source) * std::sqrt(written);
  return norms > 0 ? std::min(product / norms, 1.0) : 0;
}

double Fidelity::relative_error() const {
  if (error == 0) return 0;
  return source > 0 ? std::sqrt(error / source) : INFINITY;
}

Fidelity measure_fidelity(const TensorView& written, FunctionRef<void(uint64_t, float*)> expected,
                          ThreadPool& pool) {
  const uint64_t rows = written.rows(), cols = written.cols();
  std::vector<Fidelity> of_rows(rows);
  pool.parallel_for(rows, kRowsPerTask, [&](size_t begin, size_t end) {
    std::vector<float> w(cols), q(cols);
    for (size_t row = begin; row < end; ++row) {
      expected(row, w.data());
      dequantize_rows(written, row, 1, q.data());
      of_rows[row].add(w.data(), q.data(), cols);
    }
  });
  Fidelity total;
  for (const Fidelity& row : of_rows) total.add(row);
  return total;
}

double largest_error(DType dtype) {
  return std::min(kGaussianErrors * gaussian_error(dtype), kLargestError);
}

DType promoted_dtype(DType dtype, uint64_t cols) {
  return fallback_dtype(next_rung(dtype), cols);
}

}  // namespace nibble
