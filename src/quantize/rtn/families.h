#pragma once

#include "quantize/rtn/lanes.h"
#include "quantize/rtn/table.h"

namespace nibble::NIBBLE_RTN_ISA {

// Each family gives the quantizers of the types that it has, and null for all others.
RowQuantizer float_quantizer(DType dtype);     // F32, F16, BF16
RowQuantizer legacy_quantizer(DType dtype);    // Q8_0, Q5_0, Q5_1, Q4_0, Q4_1
RowQuantizer k_quantizer(DType dtype);         // Q2_K, Q3_K, Q4_K, Q5_K, Q6_K
RowQuantizer iq4_quantizer(DType dtype);       // IQ4_NL, IQ4_XS
RowQuantizer mxfp4_quantizer(DType dtype);     // MXFP4
RowQuantizer int8_quantizer(DType dtype);      // INT8
RowQuantizer int4_quantizer(DType dtype);      // INT4_*, UINT4_*
RowQuantizer absmax4_quantizer(DType dtype);   // NF4, FP4
RowQuantizer learned4_quantizer(DType dtype);  // NF4, FP4
FourBitEncoder absmax4_encoder(DType dtype);   // NF4_DQ, FP4_DQ
FourBitEncoder learned4_encoder(DType dtype);  // NF4_DQ, FP4_DQ

FloatExpander float_expander(DType dtype);  // F32, F16, BF16

void round_with_feedback(const FeedbackPiece& piece, const FeedbackResult& result);

}  // namespace nibble::NIBBLE_RTN_ISA
