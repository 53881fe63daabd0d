#pragma once

#include <cstddef>
#include <cstdint>

#include "quantize/four_bit_scale.h"
#include "tensor/dtype.h"

namespace nibble {

/// Quantizes one row of `cols` values, a multiple of the type's block. `importance` [cols] is null for
/// equal weights, else positive with a mean near 1.
using RowQuantizer = void (*)(const float* x, std::byte* out, uint64_t cols, const float* importance);

/// Codes [blocks * 64] in order and scales [blocks] of blocks of 64; `importance` as of RowQuantizer.
using FourBitEncoder = void (*)(const float* x, uint64_t blocks, uint8_t* codes, float* scales,
                                const float* importance);

/// n values as float32; false when one of them is a NaN or an infinity.
using FloatExpander = bool (*)(const std::byte* in, float* out, uint64_t n);

/// Rows and columns that are rounded together with error feedback (quantize/gptq.h).
inline constexpr size_t kFeedbackRows = 8, kFeedbackColumns = 128;

/// `columns` <= kFeedbackColumns columns of kFeedbackRows rows: element j of row r stands at
/// [j * kFeedbackRows + r], here and in FeedbackResult.
struct FeedbackPiece {
  size_t columns;
  const float* levels;          ///< [16] ascending, or null for places 0 .. largest themselves
  float largest;                ///< place
  const float *scale, *offset;  ///< element j of row r is scale * level + offset
  size_t scale_stride;          ///< kFeedbackRows, or 0 where all columns have those of the first
  const float* factor;          ///< U_jk at [j * factor_stride + k], k >= j
  size_t factor_stride;
  const float* w;
};
struct FeedbackResult {
  float* places;  ///< of the nearest levels
  float* errors;  ///< (w_j - q_j) / U_jj, w_j with the errors of the columns before made good
  float* losses;  ///< [kFeedbackRows] sums of their squares
};
using FeedbackRounder = void (*)(const FeedbackPiece& piece, const FeedbackResult& result);

/// What one instruction set's compilation of the quantizers offers.
struct RtnTable {
  RowQuantizer (*row_quantizer)(DType, FourBitScale);       ///< null for planes
  FourBitEncoder (*four_bit_encoder)(DType, FourBitScale);  ///< of NF4_DQ and FP4_DQ
  FloatExpander (*float_expander)(DType);                   ///< of F32, F16 and BF16; null for others
  FeedbackRounder feedback_rounder;
};

namespace rtn_baseline {
extern const RtnTable kTable;
}
namespace rtn_avx2 {
extern const RtnTable kTable;
}

/// The compilation for this machine (or for what NIBBLE_ISA names). All give the same bits.
const RtnTable& rtn_table();

}  // namespace nibble
