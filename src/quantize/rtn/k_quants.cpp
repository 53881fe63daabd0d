#include "quantize/pack_codes.h"
#include "quantize/rtn/families.h"
#include "quantize/rtn/super_offset.h"
#include "quantize/rtn/super_scaled.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

/// Eight scales and mins of 6 bits as Q4_K and Q5_K store them.
void pack_six_bits(const int32_t* scales, const int32_t* mins, uint8_t* out) {
  for (int j = 0; j < 4; ++j) {
    out[j] = uint8_t(scales[j] | scales[j + 4] >> 4 << 6);
    out[j + 4] = uint8_t(mins[j] | mins[j + 4] >> 4 << 6);
    out[j + 8] = uint8_t((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
  }
}

struct Q2_K {
  using Block = BlockQ2_K;
  static constexpr int kGroup = 16;
  static constexpr IntegerCodec kCodec = {0.0f, 3.0f};
  static constexpr IntegerCodec kFactors = {0.0f, 15.0f};
  static constexpr LineStart kStarts[] = {{1.0f, 0.0f},  {0.96f, 0.3f},  {0.96f, -0.3f},
                                          {1.05f, 0.3f}, {1.05f, -0.3f}, {1.11f, 0.0f},
                                          {1.25f, 0.0f}, {1.25f, 0.3f},  {1.25f, -0.3f}};
  static constexpr int kRounds = 1;
  static constexpr int kSuperRounds = 3;
  static void pack(const uint8_t* q, const int32_t* scales, const int32_t* mins, Block& out) {
    for (int g = 0; g < 16; ++g) out.scales[g] = uint8_t(scales[g] | mins[g] << 4);
    pack_codes(q, out);
  }
};

struct Q4_K {
  using Block = BlockQ4_K;
  static constexpr int kGroup = 32;
  static constexpr IntegerCodec kCodec = {0.0f, 15.0f};
  static constexpr IntegerCodec kFactors = {0.0f, 63.0f};
  static constexpr auto& kStarts = kLineStarts;
  static constexpr int kRounds = 1;
  static constexpr int kSuperRounds = 2;
  static void pack(const uint8_t* q, const int32_t* scales, const int32_t* mins, Block& out) {
    pack_six_bits(scales, mins, out.scales);
    pack_codes(q, out);
  }
};

struct Q5_K {
  using Block = BlockQ5_K;
  static constexpr int kGroup = 32;
  static constexpr IntegerCodec kCodec = {0.0f, 31.0f};
  static constexpr IntegerCodec kFactors = {0.0f, 63.0f};
  // 30 / 31 finds weights that already lie on a grid of 4 bits.
  static constexpr LineStart kStarts[] = {{1.0f, 0.0f},  {0.968f, 0.0f}, {0.968f, 0.3f}, {0.968f, -0.3f},
                                          {1.03f, 0.3f}, {1.03f, -0.3f}, {1.06f, 0.0f}};
  static constexpr int kRounds = 1;
  static constexpr int kSuperRounds = 2;
  static void pack(const uint8_t* q, const int32_t* scales, const int32_t* mins, Block& out) {
    pack_six_bits(scales, mins, out.scales);
    pack_codes(q, out);
  }
};

struct Q3_K {
  using Block = BlockQ3_K;
  static constexpr int kGroup = 16;
  static constexpr IntegerCodec kCodec = {-4.0f, 3.0f};
  static constexpr IntegerCodec kScales = {-32.0f, 31.0f};
  static constexpr float kSteps[] = {1.0f, 0.93f, 0.86f, 0.8f, 1.07f, 1.13f};
  static constexpr int kRounds = 1;
  static void pack(const uint8_t* q, const int32_t* scales, Block& out) {
    pack_codes(q, out);
    for (int j = 0; j < 8; ++j)
      out.scales[j] = uint8_t(((scales[j] + 32) & 15) | ((scales[j + 8] + 32) & 15) << 4);
    for (int j = 0; j < 4; ++j) {
      uint8_t bits = 0;
      for (int g = 0; g < 4; ++g) bits |= uint8_t(((scales[4 * g + j] + 32) >> 4) << 2 * g);
      out.scales[8 + j] = bits;
    }
  }
};

struct Q6_K {
  using Block = BlockQ6_K;
  static constexpr int kGroup = 16;
  static constexpr IntegerCodec kCodec = {-32.0f, 31.0f};
  static constexpr IntegerCodec kScales = {-128.0f, 127.0f};
  static constexpr float kSteps[] = {1.01f, 1.0f, 0.99f, 0.98f, 0.97f, 0.96f, 0.95f, 0.94f, 0.93f, 0.92f};
  static constexpr int kRounds = 1;
  static void pack(const uint8_t* q, const int32_t* scales, Block& out) {
    for (int g = 0; g < 16; ++g) out.scales[g] = int8_t(scales[g]);
    pack_codes(q, out);
  }
};

}  // namespace

RowQuantizer k_quantizer(DType dtype) {
  switch (dtype) {
    case DType::Q2_K:
      return quantize_super_offset<Q2_K>;
    case DType::Q3_K:
      return quantize_super_scaled<Q3_K>;
    case DType::Q4_K:
      return quantize_super_offset<Q4_K>;
    case DType::Q5_K:
      return quantize_super_offset<Q5_K>;
    case DType::Q6_K:
      return quantize_super_scaled<Q6_K>;
    default:
      return nullptr;
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
