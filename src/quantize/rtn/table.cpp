#include "quantize/rtn/table.h"

#include "quantize/rtn/families.h"

namespace nibble::NIBBLE_RTN_ISA {

static RowQuantizer row_quantizer(DType dtype, FourBitScale scale) {
  constexpr RowQuantizer (*kFamilies[])(DType) = {float_quantizer, legacy_quantizer, k_quantizer,
                                                  iq4_quantizer,   mxfp4_quantizer,  int8_quantizer,
                                                  int4_quantizer,  absmax4_quantizer};
  const bool learned = scale == FourBitScale::learned;
  if (const RowQuantizer quantizer = learned ? learned4_quantizer(dtype) : nullptr) return quantizer;
  for (const auto family : kFamilies) {
    if (const RowQuantizer quantizer = family(dtype)) return quantizer;
  }
  return nullptr;
}

static FourBitEncoder four_bit_encoder(DType dtype, FourBitScale scale) {
  return scale == FourBitScale::learned ? learned4_encoder(dtype) : absmax4_encoder(dtype);
}

const RtnTable kTable = {row_quantizer, four_bit_encoder, float_expander, round_with_feedback};

}  // namespace nibble::NIBBLE_RTN_ISA
