#include "quantize/rtn/families.h"
#include "quantize/rtn/scale_search.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

constexpr IntegerCodec kCodec = {-127.0f, 127.0f};

/// A row in steps of eight; past its end there are zeros.
template <class Function>
void for_each_vec(const float* x, const float* importance, uint64_t cols, Function function) {
  const Vec one = splat(1.0f);
  uint64_t j = 0;
  for (; j + kLanes <= cols; j += kLanes) function(j, load(x + j), importance ? load(importance + j) : one);
  if (j == cols) return;
  float rest[2][kLanes] = {};
  std::memcpy(rest[0], x + j, (cols - j) * sizeof(float));
  if (importance) std::memcpy(rest[1], importance + j, (cols - j) * sizeof(float));
  function(j, load(rest[0]), importance ? load(rest[1]) : one);
}

/// The weighted squared error with scale 1 / inverse, in units of that scale.
float row_error(const float* x, const float* importance, uint64_t cols, float inverse) {
  Vec error = splat(0.0f);
  for_each_vec(x, importance, cols, [&](uint64_t, Vec v, Vec w) {
    const Vec t = v * splat(inverse), difference = t - kCodec(t);
    error += difference * (w * difference);
  });
  return sum_lanes(error);
}

/// The best scale, in units of 1 / inverse, for the codes nearest to x * inverse.
float row_scale(const float* x, const float* importance, uint64_t cols, float inverse) {
  ScaleSums s;
  for_each_vec(x, importance, cols, [&](uint64_t, Vec v, Vec w) {
    const Vec t = v * splat(inverse), q = kCodec(t);
    s.xq += t * (w * q);
    s.qq += q * (w * q);
  });
  const float qq = sum_lanes(s.qq);
  return qq > 0.0f ? sum_lanes(s.xq) / qq : 0.0f;
}

/// One scale for a whole row. Outliers are cut where that lowers the error of all others by more, so the
/// search goes down to an eighth of the scale that keeps them.
void quantize_int8(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  Vec largest = splat(0.0f);
  for_each_vec(x, nullptr, cols, [&](uint64_t, Vec v, Vec) { largest = max(largest, abs(v)); });
  const float limit = max_lane(largest);
  float scale = 0.0f;
  if (limit > 1e-30f) {
    const float widest = 127.0f / limit;
    float best_inverse = widest, best_error = 3e38f;
    for (float step = 1.0f; step < 8.0f; step *= 1.0625f) {
      // In units of the widest scale, so that all are alike and nothing overflows.
      const float error = row_error(x, importance, cols, widest * step) / (step * step);
      if (error < best_error) {
        best_error = error;
        best_inverse = widest * step;
      }
    }
    scale = row_scale(x, importance, cols, best_inverse) / best_inverse;
  }
  std::memcpy(out, &scale, sizeof(scale));
  int8_t* codes = reinterpret_cast<int8_t*>(out + kInt8RowHeaderBytes);
  const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
  for_each_vec(x, nullptr, cols, [&](uint64_t j, Vec v, Vec) {
    const VecI q = to_int(kCodec(v * splat(inverse)));
    for (uint64_t l = 0; l < kLanes && j + l < cols; ++l) codes[j + l] = int8_t(q[l]);
  });
}

}  // namespace

RowQuantizer int8_quantizer(DType dtype) {
  return dtype == DType::INT8 ? quantize_int8 : nullptr;
}

}  // namespace nibble::NIBBLE_RTN_ISA
