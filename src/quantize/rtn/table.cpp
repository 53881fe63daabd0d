#include "quantize/rtn/table.h"

#include "quantize/rtn/families.h"

namespace nibble::NIBBLE_RTN_ISA {

static RowQuantizer row_quantizer(DType dtype) {
  constexpr RowQuantizer (*kFamilies[])(DType) = {float_quantizer, legacy_quantizer, k_quantizer,
                                                  iq4_quantizer,   mxfp4_quantizer,  int8_quantizer,
                                                  int4_quantizer,  absmax4_quantizer};
  for (const auto family : kFamilies) {
    if (const RowQuantizer quantizer = family(dtype)) return quantizer;
  }
  return nullptr;
}

const RtnTable kTable = {row_quantizer, absmax4_encoder, float_expander};

}  // namespace nibble::NIBBLE_RTN_ISA
