#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "quantize/rtn/four_bit_order.h"
#include "quantize/rtn/level_codec.h"
#include "tensor/blocks.h"

/// NF4 and FP4 with the scales of the least (weighted) squared error.
namespace nibble::NIBBLE_RTN_ISA {

namespace {

constexpr int kSize = BlockNF4::kElements;

struct NF4Levels {
  static constexpr const uint8_t (&kOrder)[16] = kNF4Order;
  static constexpr float value(int i) { return kNF4Values[kOrder[i]]; }
};
struct FP4Levels {
  static constexpr const uint8_t (&kOrder)[16] = kFP4Order;
  static constexpr float value(int i) { return kFP4Values[kOrder[i]]; }
};

/// Inverse scales to start from, in units of that which keeps the largest magnitude: that itself, so that the
/// error is never above its error, wider ones, and narrower ones down to what clips a quarter.
constexpr float kSteps[] = {1.0f, 0.92f, 0.96f, 1.04f, 1.08f, 1.12f, 1.16f, 1.2f, 1.25f, 1.3f, 1.35f};
constexpr int kRounds = 3;

/// Up to eight blocks: codes [groups, 64] and scales [groups].
template <class Levels, bool W>
void learn(const float* x, int groups, uint8_t* codes, float* scales, const float* importance) {
  constexpr float kLargestFloat = 3.4e38f;
  constexpr LevelCodec<Levels> codec = {};
  Groups<kSize, W> g;
  g.load(x, importance, groups, kLargestFloat);
  const Vec largest = max(abs(extreme_value(g)), splat(1e-38f));
  const Vec unit = splat(1.0f) / largest;  // in units of it nothing overflows
  for (Vec& v : g.x) v *= unit;
  const Vec scale = search_scale(g, codec, splat(1.0f), kSteps, kRounds);
  const Vec inverse = inverse_or_zero(scale);
  for (Vec& v : g.x) v = codec.code(v * inverse);
  uint8_t places[kLanes * kSize];
  store_codes<kSize>(g.x, places);
  for (int i = 0; i < groups * kSize; ++i) codes[i] = Levels::kOrder[places[i]];
  for (int l = 0; l < groups; ++l) scales[l] = scale[l] * largest[l];
}

template <class Levels>
void encode_blocks(const float* x, uint64_t blocks, uint8_t* codes, float* scales, const float* importance) {
  for_each_lanes(blocks, [&](uint64_t first, int groups) {
    const uint64_t at = first * kSize;
    if (importance != nullptr) {
      learn<Levels, true>(x + at, groups, codes + at, scales + first, importance + at);
    } else {
      learn<Levels, false>(x + at, groups, codes + at, scales + first, nullptr);
    }
  });
}

template <class Levels>
void quantize(const float* x, std::byte* out, uint64_t cols, const float* importance) {
  BlockNF4* blocks = reinterpret_cast<BlockNF4*>(out);
  for_each_lanes(cols / kSize, [&](uint64_t first, int groups) {
    uint8_t codes[kLanes * kSize];
    float scales[kLanes];
    encode_blocks<Levels>(x + first * kSize, uint64_t(groups), codes, scales,
                          importance != nullptr ? importance + first * kSize : nullptr);
    for (int l = 0; l < groups; ++l) {
      blocks[first + l].d = scales[l];
      pack_codes(codes + l * kSize, blocks[first + l]);
    }
  });
}

}  // namespace

RowQuantizer learned4_quantizer(DType dtype) {
  switch (dtype) {
    case DType::NF4:
      return quantize<NF4Levels>;
    case DType::FP4:
      return quantize<FP4Levels>;
    default:
      return nullptr;
  }
}

FourBitEncoder learned4_encoder(DType dtype) {
  return dtype == DType::NF4_DQ ? encode_blocks<NF4Levels> : encode_blocks<FP4Levels>;
}

}  // namespace nibble::NIBBLE_RTN_ISA
