#pragma once

#include <cstddef>

#include "base/half.h"
#include "quantize/pack_codes.h"
#include "quantize/rtn/line_search.h"
#include "quantize/rtn/scale_search.h"

/// Rows of independent blocks with a half-precision scale (x = d q) or a scale and an offset
/// (x = d q + m). A Format names the Block, the codec and the starts of the search.
namespace nibble::NIBBLE_RTN_ISA {

/// Calls quantize_group(first, groups) for eight blocks at a time, the last time for those that are left.
template <class Function>
inline void for_each_lanes(uint64_t blocks, Function function) {
  for (uint64_t b = 0; b < blocks; b += kLanes) function(b, blocks - b < kLanes ? int(blocks - b) : kLanes);
}

template <class Format, bool W>
inline void quantize_scaled_as(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  using Block = typename Format::Block;
  constexpr int N = Block::kElements;
  Block* blocks = reinterpret_cast<Block*>(out);
  for_each_lanes(cols / N, [&](uint64_t first, int groups) {
    Groups<N, W> g;
    g.load(x + first * N, W ? importance + first * N : nullptr, groups);
    const Vec inverse = inverse_or_zero(extreme_value(g), Format::kCodec.lowest());
    const VecI d = half_bits(search_scale(g, Format::kCodec, inverse, Format::kSteps, Format::kRounds));
    const Vec exact = inverse_or_zero(half_value(d));
    for (int j = 0; j < N; ++j) g.x[j] = Format::kCodec.code(g.x[j] * exact);
    uint8_t codes[kLanes * N];
    store_codes<N>(g.x, codes);
    for (int l = 0; l < groups; ++l) {
      blocks[first + l].d = half(d[l]);
      pack_codes(codes + l * N, blocks[first + l]);
    }
  });
}

template <class Format>
void quantize_scaled(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  importance != nullptr ? quantize_scaled_as<Format, true>(x, out, cols, importance)
                        : quantize_scaled_as<Format, false>(x, out, cols, nullptr);
}

template <class Format, bool W>
inline void quantize_offset_as(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  using Block = typename Format::Block;
  constexpr int N = Block::kElements;
  Block* blocks = reinterpret_cast<Block*>(out);
  for_each_lanes(cols / N, [&](uint64_t first, int groups) {
    CentredGroups<N, W> c;
    c.load(x + first * N, W ? importance + first * N : nullptr, groups, kLargestHalf);
    Line line = search_line<false>(c, Format::kCodec, Format::kStarts, Format::kRounds);
    const VecI d = half_bits(line.scale);
    // The offset that suits the rounded scale, then the codes that suit both as stored.
    line.scale = half_value(d);
    const LineSums s = line_sums(c.g, Format::kCodec, line);
    const VecI m = half_bits(c.mean - line.scale * (s.q / c.weight));
    line.offset = half_value(m) - c.mean;
    const Vec inverse = inverse_or_zero(line.scale);
    for (int j = 0; j < N; ++j) c.g.x[j] = Format::kCodec(line.position(c.g.x[j], inverse));
    uint8_t codes[kLanes * N];
    store_codes<N>(c.g.x, codes);
    for (int l = 0; l < groups; ++l) {
      blocks[first + l].d = half(d[l]);
      blocks[first + l].m = half(m[l]);
      pack_codes(codes + l * N, blocks[first + l]);
    }
  });
}

template <class Format>
void quantize_offset(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  importance != nullptr ? quantize_offset_as<Format, true>(x, out, cols, importance)
                        : quantize_offset_as<Format, false>(x, out, cols, nullptr);
}

}  // namespace nibble::NIBBLE_RTN_ISA
