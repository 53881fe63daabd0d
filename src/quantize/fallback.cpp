#include "quantize/fallback.h"

namespace nibble {

namespace {

/// The next type of the chain. F16 takes any row, so every chain ends there at the latest.
DType next_in_chain(DType dtype) {
  switch (dtype) {
    case DType::Q2_K:
    case DType::Q3_K:
    case DType::IQ4_XS:
    case DType::NF4:
    case DType::NF4_DQ:
    case DType::FP4:
    case DType::FP4_DQ:
      return DType::IQ4_NL;
    case DType::Q4_K:
      return DType::Q5_0;
    case DType::Q5_K:
      return DType::Q5_1;
    case DType::Q6_K:
      return DType::Q8_0;
    case DType::INT4_G128:
      return DType::INT4_G64;
    case DType::INT4_G64:
      return DType::Q4_0;
    case DType::UINT4_G128:
      return DType::UINT4_G64;
    case DType::UINT4_G64:
      return DType::Q4_1;
    default:
      return DType::F16;
  }
}

}  // namespace

DType fallback_dtype(DType wanted, uint64_t cols) {
  DType dtype = wanted;
  while (cols % dtype_info(dtype).block_elements != 0) dtype = next_in_chain(dtype);
  return dtype;
}

}  // namespace nibble
