#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

struct Q4_0 {
  using Block = BlockQ4_0;
  static constexpr IntegerCodec kCodec = {-8.0f, 7.0f};
  // Few, since Q4_0 is what large models are converted to in bulk: reading and writing should cost more.
  static constexpr float kSteps[] = {1.0f, 0.93f, 1.06f};
  static constexpr int kRounds = 1;
};

struct Q5_0 {
  using Block = BlockQ5_0;
  static constexpr IntegerCodec kCodec = {-16.0f, 15.0f};
  static constexpr float kSteps[] = {1.0f, 0.98f, 0.96f, 0.94f, 0.92f, 0.9f, 1.02f, 1.04f};
  static constexpr int kRounds = 1;
};

struct Q8_0 {
  using Block = BlockQ8_0;
  static constexpr IntegerCodec kCodec = {-127.0f, 127.0f};
  static constexpr float kSteps[] = {1.003f, 1.0f,   0.995f, 0.99f,  0.985f,
                                     0.98f,  0.975f, 0.97f,  0.965f, 0.96f};
  static constexpr int kRounds = 1;
};

struct Q4_1 {
  using Block = BlockQ4_1;
  static constexpr IntegerCodec kCodec = {0.0f, 15.0f};
  static constexpr auto& kStarts = kLineStarts;
  static constexpr int kRounds = 1;
};

struct Q5_1 {
  using Block = BlockQ5_1;
  static constexpr IntegerCodec kCodec = {0.0f, 31.0f};
  static constexpr auto& kStarts = kLineStarts;
  static constexpr int kRounds = 1;
};

}  // namespace

RowQuantizer legacy_quantizer(DType dtype) {
  switch (dtype) {
    case DType::Q4_0:
      return quantize_scaled<Q4_0>;
    case DType::Q5_0:
      return quantize_scaled<Q5_0>;
    case DType::Q8_0:
      return quantize_scaled<Q8_0>;
    case DType::Q4_1:
      return quantize_offset<Q4_1>;
    case DType::Q5_1:
      return quantize_offset<Q5_1>;
    default:
      return nullptr;
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
