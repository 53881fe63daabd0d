#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "quantize/rtn/super_scaled.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

/// The 16 values of kIQ4Values: found by bisection among the middles between neighbours.
struct Iq4Codec {
  static constexpr float middle(int i) { return 0.5f * float(kIQ4Values[i - 1] + kIQ4Values[i]); }

  VecI index(Vec t) const {
    const VecI upper = t > splat(middle(8));
    const VecI quarter = t > select(upper, splat(middle(12)), splat(middle(4)));
    const VecI two = (upper & 2) | (quarter & 1);
    const Vec eighths = {middle(2), middle(6), middle(10), middle(14), 0, 0, 0, 0};
    const VecI three = two + two - (t > look_up(eighths, two));
    const Vec sixteenths = {middle(1), middle(3),  middle(5),  middle(7),
                            middle(9), middle(11), middle(13), middle(15)};
    return three + three - (t > look_up(sixteenths, three));
  }
  Vec operator()(Vec t) const {
    const auto value = [](int i) { return float(kIQ4Values[i]); };
    const Vec low = {value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7)};
    const Vec high = {value(8), value(9), value(10), value(11), value(12), value(13), value(14), value(15)};
    const VecI i = index(t);
    return select(i > 7, look_up(high, i & 7), look_up(low, i & 7));
  }
  Vec code(Vec t) const { return to_float(index(t)); }
  float lowest() const { return kIQ4Values[0]; }
};

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
