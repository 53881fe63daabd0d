#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "quantize/rtn/level_codec.h"
#include "quantize/rtn/super_scaled.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

struct Iq4Levels {
  static constexpr float value(int i) { return float(kIQ4Values[i]); }
};
using Iq4Codec = LevelCodec<Iq4Levels>;

struct IQ4_NL {
  using Block = BlockIQ4_NL;
  static constexpr Iq4Codec kCodec = {};
  static constexpr float kSteps[] = {1.0f, 0.95f, 0.9f, 0.85f, 1.05f, -1.0f, -0.95f, -0.9f, -0.85f};
  static constexpr int kRounds = 2;
};

struct IQ4_XS {
  using Block = BlockIQ4_XS;
  static constexpr int kGroup = 32;
  static constexpr Iq4Codec kCodec = {};
  static constexpr IntegerCodec kScales = {-32.0f, 31.0f};
  static constexpr float kSteps[] = {1.0f, 0.95f, 0.9f, 0.85f, 1.05f, -1.0f, -0.95f, -0.9f, -0.85f};
  static constexpr int kRounds = 1;
  static void pack(const uint8_t* q, const int32_t* scales, Block& out) {
    pack_codes(q, out);
    uint32_t high = 0;
    for (int g = 0; g < 8; ++g) high |= uint32_t((scales[g] + 32) >> 4) << 2 * g;
    out.scales_h = uint16_t(high);
    for (int g = 0; g < 4; ++g) {
      out.scales_l[g] = uint8_t(((scales[2 * g] + 32) & 15) | ((scales[2 * g + 1] + 32) & 15) << 4);
    }
  }
};

}  // namespace

RowQuantizer iq4_quantizer(DType dtype) {
  switch (dtype) {
    case DType::IQ4_NL:
      return quantize_scaled<IQ4_NL>;
    case DType::IQ4_XS:
      return quantize_super_scaled<IQ4_XS>;
    default:
      return nullptr;
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
