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

/// Sums for codes nearest to x * inverse, of x in units of the scale.
ScaleSums row_sums(const float* x, const float* importance, uint64_t cols, float inverse) {
  ScaleSums s;
  for_each_vec(x, importance, cols, [&](uint64_t, Vec v, Vec w) {
    const Vec t = v * splat(inverse), q = kCodec(t);
    s.xq += t * (w * q);
    s.qq += q * (w * q);
  });
  return s;
}

/// One scale for a whole row. An outlier is cut where that lowers the error of all others by more, so the
/// search goes down to an eighth of the largest magnitude.
void quantize_int8(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  Vec largest = splat(0.0f);
  for_each_vec(x, nullptr, cols, [&](uint64_t, Vec v, Vec) { largest = max(largest, abs(v)); });
  const float limit = max_lane(largest);
  float scale = 0.0f;
  if (limit > 1e-30f) {
    float best_gain = -1.0f;
    float inverse = 127.0f / limit;
    const float inverse_end = 8.0f * inverse, first = inverse;
    for (; inverse <= inverse_end; inverse *= 1.0625f) {
      const ScaleSums s = row_sums(x, importance, cols, inverse);
      const float xq = sum_lanes(s.xq), qq = sum_lanes(s.qq);
      if (!(qq > 0.0f)) continue;
      // x is in units of 1 / inverse: bring the gains of all candidates to the first one's.
      const float unit = first / inverse;
      const float gain = xq * (xq / qq) * unit * unit;
      if (gain > best_gain) {
        best_gain = gain;
        scale = xq / qq / inverse;
      }
    }
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
