#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

/// The nearest of twice the magnitudes of FP4 (E2M1): 0, 1, 2, 3, 4, 6, 8, 12.
Vec nearest_magnitude(Vec t) {
  const Vec coarse = 4.0f * round(0.25f * min(t, splat(12.0f)));
  return select(t < 4.0f, round(t), select(t < 8.0f, 2.0f * round(0.5f * t), coarse));
}

/// The code of such a magnitude: its place in the list.
Vec magnitude_code(Vec v) {
  return select(v > 4.0f, select(v > 8.0f, splat(7.0f), 0.5f * v + 2.0f), v);
}

/// 1 / (2^(e - 127) / 2) for e in 2..253.
Vec inverse_of_half_scale(VecI e) {
  return (Vec)((255 - e) << 23);
}

template <bool W>
void quantize(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  constexpr int N = BlockMXFP4::kElements;
  BlockMXFP4* blocks = reinterpret_cast<BlockMXFP4*>(out);
  for_each_lanes(cols / N, [&](uint64_t first, int groups) {
    Groups<N, W> g;
    g.load(x + first * N, W ? importance + first * N : nullptr, groups);
    const Vec largest = abs(extreme_value(g));
    // The exponent that OCP's conversion takes, at which the largest magnitude lies in [4, 8) and may be
    // cut to 6, and its neighbours.
    const VecI middle = ((VecI)largest >> 23) - 2;
    VecI best_e = middle;
    Vec best_error = splat(3e38f);
    for (int step = -1; step <= 1; ++step) {
      const VecI wanted = middle + step;
      const VecI e = select(wanted < 2, splat(2), wanted);
      const Vec inverse = inverse_of_half_scale(e);
      Vec error = splat(0.0f);
      for (int j = 0; j < N; ++j) {
        const Vec t = abs(g.x[j]) * inverse;
        const Vec difference = t - nearest_magnitude(t);
        error += g.weighted(j, difference) * difference;
      }
      // In units of the middle exponent's scale, so that nothing overflows.
      error = error * splat(step < 0 ? 0.25f : step == 0 ? 1.0f : 4.0f);
      const VecI better = error < best_error;
      best_error = select(better, error, best_error);
      best_e = select(better, e, best_e);
    }
    const Vec inverse = inverse_of_half_scale(best_e);
    for (int j = 0; j < N; ++j) {
      const Vec code = magnitude_code(nearest_magnitude(abs(g.x[j]) * inverse));
      g.x[j] = select((g.x[j] < 0.0f) & (code > 0.0f), code + 8.0f, code);
    }
    uint8_t codes[kLanes * N];
    store_codes<N>(g.x, codes);
    for (int l = 0; l < groups; ++l) {
      blocks[first + l].e = uint8_t(best_e[l]);
      pack_codes(codes + l * N, blocks[first + l]);
    }
  });
}

void quantize_mxfp4(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  importance != nullptr ? quantize<true>(x, out, cols, importance) : quantize<false>(x, out, cols, nullptr);
}

}  // namespace

RowQuantizer mxfp4_quantizer(DType dtype) {
  return dtype == DType::MXFP4 ? quantize_mxfp4 : nullptr;
}

}  // namespace nibble::NIBBLE_RTN_ISA
