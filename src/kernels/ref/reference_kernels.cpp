#include "kernels/ref/reference_kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref/int8_row.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

int dot(const int8_t* a, const int8_t* b, size_t n) {
  int sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int(a[i]) * int(b[i]);
  return sum;
}

float integer_output(const Int8Row& row, const ActivationArgs& x, size_t token) {
  const size_t parts = x.groups.scale / row.group;
  const int8_t* q = x.q + token * x.stride;
  float acc = 0.0f;
  for (size_t first = 0; first < row.scale.size(); first += parts) {
    const float scale = x.scale[first / parts * x.tokens + token];
    const auto product = [&](size_t g) {
      return float(dot(row.q.data() + g * row.group, q + g * row.group, row.group));
    };
    if (parts == 1) {
      acc = std::fma(product(first), row.scale[first] * scale, acc);
    } else {
      float part = product(first) * row.scale[first];
      for (size_t g = first + 1; g < first + parts; ++g) part = std::fma(product(g), row.scale[g], part);
      acc = std::fma(part, scale, acc);
    }
    if (row.min.empty()) continue;
    for (size_t g = first; g < first + parts; ++g)
      acc = std::fma(row.min[g], x.scaled_sums[g * x.tokens + token], acc);
  }
  return acc;
}

float float_output(const float* w, const float* x, size_t cols) {
  constexpr size_t kBlock = 64;
  float acc = 0.0f;
  for (size_t begin = 0; begin < cols; begin += kBlock) {
    float part = 0.0f;
    for (size_t c = begin; c < std::min(cols, begin + kBlock); ++c) part += w[c] * x[c];
    acc += part;
  }
  return acc;
}

}  // namespace

void reference_integer_matmul(const MatmulArgs& args) {
  Int8Row row;
  for (size_t r = args.row_begin; r < args.row_end; ++r) {
    expand_int8_row(*args.tensor, r, args.activations.groups, row);
    for (size_t t = 0; t < args.activations.tokens; ++t) {
      args.y[t * args.y_stride + r] = integer_output(row, args.activations, t);
    }
  }
}

void reference_float_matmul(const MatmulArgs& args) {
  const size_t cols = args.cols;
  std::vector<float> row(cols);
  for (size_t r = args.row_begin; r < args.row_end; ++r) {
    dequantize_rows(*args.tensor, r, 1, row.data());
    for (size_t t = 0; t < args.activations.tokens; ++t) {
      args.y[t * args.y_stride + r] = float_output(row.data(), args.activations.x + t * cols, cols);
    }
  }
}

}  // namespace nibble
