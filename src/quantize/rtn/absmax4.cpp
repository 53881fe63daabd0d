#include "quantize/pack_codes.h"
#include "quantize/rtn/families.h"
#include "quantize/rtn/four_bit_order.h"
#include "quantize/rtn/lanes.h"
#include "tensor/blocks.h"

/// NF4 and FP4 with blocks of 64, scaled by their largest magnitude: bitsandbytes' codes, bit for bit.
namespace nibble::NIBBLE_RTN_ISA {

namespace {

constexpr int kBlockSize = 64;

/// Middles between neighbours, in single precision as bitsandbytes computes them. A value on a middle
/// takes the lower neighbour.
struct Thresholds {
  float middle[15];
};
constexpr Thresholds make_thresholds(const float* values, const uint8_t* order) {
  Thresholds t = {};
  for (int i = 0; i < 15; ++i) t.middle[i] = (values[order[i]] + values[order[i + 1]]) / 2.0f;
  return t;
}
constexpr Thresholds kNF4Thresholds = make_thresholds(kNF4Values, kNF4Order);
constexpr Thresholds kFP4Thresholds = make_thresholds(kFP4Values, kFP4Order);

float block_codes(const Thresholds& thresholds, const uint8_t* order, const float* x, uint8_t* codes) {
  Vec largest = splat(0.0f);
  for (int j = 0; j < kBlockSize; j += kLanes) largest = max(largest, abs(load(x + j)));
  const float absmax = max_lane(largest);
  const Vec inverse = splat(1.0f / (absmax > 1e-38f ? absmax : 1e-38f));
  for (int j = 0; j < kBlockSize; j += kLanes) {
    const Vec t = clamp(load(x + j) * inverse, -1.0f, 1.0f);
    VecI place = splat(0);
    for (const float middle : thresholds.middle) place -= t > splat(middle);
    for (int l = 0; l < kLanes; ++l) codes[j + l] = order[place[l]];
  }
  return absmax;
}

template <const Thresholds& kThresholds, const uint8_t (&kOrder)[16]>
void encode_blocks(const float* x, uint64_t blocks, uint8_t* codes, float* absmax, const float*) {
  for (uint64_t b = 0; b < blocks; ++b)
    absmax[b] = block_codes(kThresholds, kOrder, x + b * kBlockSize, codes + b * kBlockSize);
}

template <const Thresholds& kThresholds, const uint8_t (&kOrder)[16]>
void quantize(const float* x, std::byte* out, uint64_t cols, const float*) {
  BlockNF4* blocks = reinterpret_cast<BlockNF4*>(out);
  for (uint64_t b = 0; b < cols / kBlockSize; ++b) {
    uint8_t codes[kBlockSize];
    blocks[b].d = block_codes(kThresholds, kOrder, x + b * kBlockSize, codes);
    pack_codes(codes, blocks[b]);
  }
}

}  // namespace

RowQuantizer absmax4_quantizer(DType dtype) {
  switch (dtype) {
    case DType::NF4:
      return quantize<kNF4Thresholds, kNF4Order>;
    case DType::FP4:
      return quantize<kFP4Thresholds, kFP4Order>;
    default:
      return nullptr;
  }
}

FourBitEncoder absmax4_encoder(DType dtype) {
  return dtype == DType::NF4_DQ ? encode_blocks<kNF4Thresholds, kNF4Order>
                                : encode_blocks<kFP4Thresholds, kFP4Order>;
}

}  // namespace nibble::NIBBLE_RTN_ISA
