#include "quantize/rtn/block_formats.h"
#include "quantize/rtn/families.h"
#include "tensor/blocks.h"

namespace nibble::NIBBLE_RTN_ISA {

namespace {

template <uint32_t G>
struct Symmetric {
  using Block = BlockInt4<G>;
  static constexpr IntegerCodec kCodec = {-8.0f, 7.0f};
  static constexpr float kSteps[] = {1.0f, 0.95f, 1.05f, 1.1f, 1.15f, 1.2f, 1.3f, 1.4f};
  static constexpr int kRounds = 2;
};

template <uint32_t G>
struct Asymmetric {
  using Block = BlockUint4<G>;
  static constexpr IntegerCodec kCodec = {0.0f, 15.0f};
  static constexpr auto& kStarts = kLineStarts;
  static constexpr int kRounds = 2;
};

}  // namespace

RowQuantizer int4_quantizer(DType dtype) {
  switch (dtype) {
    case DType::INT4_G64:
      return quantize_scaled<Symmetric<64>>;
    case DType::INT4_G128:
      return quantize_scaled<Symmetric<128>>;
    case DType::UINT4_G64:
      return quantize_offset<Asymmetric<64>>;
    case DType::UINT4_G128:
      return quantize_offset<Asymmetric<128>>;
    default:
      return nullptr;
  }
}

}  // namespace nibble::NIBBLE_RTN_ISA
