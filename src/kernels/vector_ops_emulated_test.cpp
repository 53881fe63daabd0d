#include "kernels/vector_ops_emulated_test.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace nibble {

namespace {

struct V {
  static constexpr size_t kLanes = 16;
  static constexpr size_t kAccumulators = 24;
  using F = std::array<float, kLanes>;

  template <typename Lane>
  static F make(Lane lane) {
    F v;
    for (size_t i = 0; i < kLanes; ++i) v[i] = lane(i);
    return v;
  }

  static F load(const float* x) { return load_n(x, kLanes); }
  static F load_n(const float* x, size_t n) {
    return make([&](size_t i) { return i < n ? x[i] : 0.0f; });
  }
  static void store(float* x, F v) { store_n(x, v, kLanes); }
  static void store_n(float* x, F v, size_t n) { std::memcpy(x, v.data(), n * sizeof(float)); }
  static F load_half_n(const uint16_t* x, size_t n) {
    return make([&](size_t i) { return i < n ? half_to_float(x[i]) : 0.0f; });
  }
  static void store_half_n(uint16_t* x, F v, size_t n) {
    for (size_t i = 0; i < n; ++i) x[i] = float_to_half(v[i]);
  }

  static F set1(float x) {
    return make([&](size_t) { return x; });
  }
  static F add(F a, F b) {
    return make([&](size_t i) { return a[i] + b[i]; });
  }
  static F sub(F a, F b) {
    return make([&](size_t i) { return a[i] - b[i]; });
  }
  static F mul(F a, F b) {
    return make([&](size_t i) { return a[i] * b[i]; });
  }
  static F div(F a, F b) {
    return make([&](size_t i) { return a[i] / b[i]; });
  }
  static F fma(F a, F b, F c) {
    return make([&](size_t i) { return std::fma(a[i], b[i], c[i]); });
  }
  static F min(F a, F b) {
    return make([&](size_t i) { return a[i] < b[i] ? a[i] : b[i]; });
  }
  static F max(F a, F b) {
    return make([&](size_t i) { return a[i] > b[i] ? a[i] : b[i]; });
  }
  static F round(F x) {
    return make([&](size_t i) { return std::nearbyint(x[i]); });
  }
  static F exp2i(F n) {
    return make([&](size_t i) { return std::isnan(n[i]) ? n[i] : std::ldexp(1.0f, int(n[i])); });
  }
  static F below(F x, F limit, F y) {
    return make([&](size_t i) { return x[i] < limit[i] ? 0.0f : y[i]; });
  }
  static float sum(F v) {
    float total = 0.0f;
    for (const float x : v) total += x;
    return total;
  }
  static float largest(F v) {
    float most = v[0];
    for (const float x : v) most = x > most ? x : most;
    return most;
  }

  static F duplicate(const float* x, size_t n) {
    return make([&](size_t i) { return i / 2 < n ? x[i / 2] : 0.0f; });
  }
  template <size_t Distance>
  static F swap(F v) {
    return make([&](size_t i) { return v[i ^ Distance]; });
  }
  static F swap_pairs(F v) {
    return make([&](size_t i) { return v[i ^ 1]; });
  }
  static F rotate(F x, F c, F t) {
    return make([&](size_t i) { return std::fma(x[i], c[i], i % 2 == 0 ? -t[i] : t[i]); });
  }
};

#include "kernels/vector_ops_simd.inc"

}  // namespace

const VectorOps kVectorOpsEmulated = kTable;

}  // namespace nibble
