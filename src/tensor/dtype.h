#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace nibble {

/// How the elements of a tensor are stored. The values are the type numbers of GGUF files: up to 39
/// they are ggml's; those from 1000 on are nibble's own (docs/formats.md).
enum class DType : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ4_NL = 20,
  IQ4_XS = 23,
  BF16 = 30,
  MXFP4 = 39,
  NF4 = 1000,         ///< QLoRA's NormalFloat4, blocks of 64 with a float32 scale
  NF4_DQ = 1001,      ///< the same with double quantization; planes over the whole tensor
  FP4 = 1002,         ///< bitsandbytes' FP4 (E2M1), blocks of 64 with a float32 scale
  FP4_DQ = 1003,      ///< the same with double quantization; planes over the whole tensor
  INT8 = 1004,        ///< int8, one float32 scale per output channel (row)
  INT4_G64 = 1010,    ///< symmetric int4, groups of 64 (groups of 32 are Q4_0)
  INT4_G128 = 1011,   ///< symmetric int4, groups of 128
  UINT4_G64 = 1012,   ///< asymmetric int4, groups of 64 (groups of 32 are Q4_1)
  UINT4_G128 = 1013,  ///< asymmetric int4, groups of 128
  Q8_S50 = 1020,      ///< Q8_0 of which at most half of each block's weights are not zero
  Q4_S50 = 1021,      ///< the same of Q4_0
};

/// How the bytes of a tensor are laid out.
enum class Layout {
  blocks,  ///< rows of equal blocks, one after the other
  rows,    ///< rows, each with a header of its own (INT8)
  planes,  ///< arrays over the whole tensor (NF4_DQ, FP4_DQ); rows can't be cut out as bytes
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;  ///< as GGUF tools spell it, upper case
  Layout layout;
  uint32_t block_elements;  ///< elements of a block; a row must be a multiple of it. 1 for INT8
  uint32_t block_bytes;     ///< bytes of a block; for rows and planes the bytes that grow with elements
  bool standard;            ///< a ggml type that other GGUF programs read
};

/// Every supported type, in the order of the enumeration.
std::span<const DTypeInfo> all_dtypes();
const DTypeInfo& dtype_info(DType dtype);
inline std::string_view dtype_name(DType dtype) {
  return dtype_info(dtype).name;
}

/// The type that is a sparse type's when its zeros are stored too, with the same codes and scales (Q8_S50:
/// Q8_0); nothing for dense types.
std::optional<DType> dense_dtype(DType sparse);
/// The inverse; nothing for types without a sparse twin.
std::optional<DType> sparse_dtype(DType dense);

/// The type with this name, in any case: "q4_0", "Q4_K", "nf4_dq".
std::optional<DType> dtype_from_name(std::string_view name);
/// "F32, F16, ...": the types that a single tensor may be given, which are all but the sparse ones.
std::string dense_type_names();
/// The type with this GGUF number.
std::optional<DType> dtype_from_number(uint32_t number);
/// The name of a ggml type number, also of those nibble does not read ("IQ2_XXS", "TQ1_0"), or empty.
std::string_view ggml_type_name(uint32_t number);

/// Bytes of a tensor of rows x cols, or nothing when cols is no multiple of the block or the size does
/// not fit 64 bits.
std::optional<uint64_t> tensor_bytes(DType dtype, uint64_t rows, uint64_t cols);

/// Bytes of one row. Not for Layout::planes. cols must be a multiple of the block.
uint64_t row_bytes(DType dtype, uint64_t cols);

}  // namespace nibble
