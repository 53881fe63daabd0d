#include "tensor/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/sparse_blocks.h"

namespace nibble {

namespace {

template <typename Block>
constexpr DTypeInfo blocks(DType dtype, std::string_view name, bool standard = true) {
  return {dtype, name, Layout::blocks, Block::kElements, sizeof(Block), standard};
}

constexpr std::array kInfos = {
    DTypeInfo{DType::F32, "F32", Layout::blocks, 1, 4, true},
    DTypeInfo{DType::F16, "F16", Layout::blocks, 1, 2, true},
    blocks<BlockQ4_0>(DType::Q4_0, "Q4_0"),
    blocks<BlockQ4_1>(DType::Q4_1, "Q4_1"),
    blocks<BlockQ5_0>(DType::Q5_0, "Q5_0"),
    blocks<BlockQ5_1>(DType::Q5_1, "Q5_1"),
    blocks<BlockQ8_0>(DType::Q8_0, "Q8_0"),
    blocks<BlockQ2_K>(DType::Q2_K, "Q2_K"),
    blocks<BlockQ3_K>(DType::Q3_K, "Q3_K"),
    blocks<BlockQ4_K>(DType::Q4_K, "Q4_K"),
    blocks<BlockQ5_K>(DType::Q5_K, "Q5_K"),
    blocks<BlockQ6_K>(DType::Q6_K, "Q6_K"),
    blocks<BlockIQ4_NL>(DType::IQ4_NL, "IQ4_NL"),
    blocks<BlockIQ4_XS>(DType::IQ4_XS, "IQ4_XS"),
    DTypeInfo{DType::BF16, "BF16", Layout::blocks, 1, 2, true},
    blocks<BlockMXFP4>(DType::MXFP4, "MXFP4"),
    blocks<BlockNF4>(DType::NF4, "NF4", false),
    DTypeInfo{DType::NF4_DQ, "NF4_DQ", Layout::planes, 64, 33, false},
    blocks<BlockNF4>(DType::FP4, "FP4", false),
    DTypeInfo{DType::FP4_DQ, "FP4_DQ", Layout::planes, 64, 33, false},
    DTypeInfo{DType::INT8, "INT8", Layout::rows, 1, 1, false},
    blocks<BlockInt4<64>>(DType::INT4_G64, "INT4_G64", false),
    blocks<BlockInt4<128>>(DType::INT4_G128, "INT4_G128", false),
    blocks<BlockUint4<64>>(DType::UINT4_G64, "UINT4_G64", false),
    blocks<BlockUint4<128>>(DType::UINT4_G128, "UINT4_G128", false),
    blocks<BlockQ8_S50>(DType::Q8_S50, "Q8_S50", false),
    blocks<BlockQ4_S50>(DType::Q4_S50, "Q4_S50", false),
};

constexpr std::pair<DType, DType> kSparseTwins[] = {{DType::Q8_S50, DType::Q8_0},
                                                    {DType::Q4_S50, DType::Q4_0}};

/// ggml's type numbers (ggml.h, enum ggml_type); empty names are numbers that were removed.
constexpr std::array<std::string_view, 40> kGgmlNames = {
    "F32",      "F16",      "Q4_0",    "Q4_1",  "Q4_2",       "Q4_3",       "Q5_0",       "Q5_1",
    "Q8_0",     "Q8_1",     "Q2_K",    "Q3_K",  "Q4_K",       "Q5_K",       "Q6_K",       "Q8_K",
    "IQ2_XXS",  "IQ2_XS",   "IQ3_XXS", "IQ1_S", "IQ4_NL",     "IQ3_S",      "IQ2_S",      "IQ4_XS",
    "I8",       "I16",      "I32",     "I64",   "F64",        "IQ1_M",      "BF16",       "Q4_0_4_4",
    "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4"};

}  // namespace

std::span<const DTypeInfo> all_dtypes() {
  return kInfos;
}

const DTypeInfo& dtype_info(DType dtype) {
  for (const DTypeInfo& info : kInfos) {
    if (info.dtype == dtype) return info;
  }
  fail("tensor type number {} is not supported", uint32_t(dtype));
}

std::optional<DType> dense_dtype(DType sparse) {
  for (const auto& [twin, dense] : kSparseTwins) {
    if (twin == sparse) return dense;
  }
  return std::nullopt;
}

std::optional<DType> sparse_dtype(DType dense) {
  for (const auto& [twin, of] : kSparseTwins) {
    if (of == dense) return twin;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& info : kInfos) {
    if (std::equal(name.begin(), name.end(), info.name.begin(), info.name.end(),
                   [](char a, char b) { return std::toupper(uint8_t(a)) == b; })) {
      return info.dtype;
    }
  }
  return std::nullopt;
}

std::string dense_type_names() {
  std::string names;
  for (const DTypeInfo& info : kInfos) {
    if (!dense_dtype(info.dtype)) names += (names.empty() ? "" : ", ") + std::string(info.name);
  }
  return names;
}

std::optional<DType> dtype_from_number(uint32_t number) {
  for (const DTypeInfo& info : kInfos) {
    if (uint32_t(info.dtype) == number) return info.dtype;
  }
  return std::nullopt;
}

std::string_view ggml_type_name(uint32_t number) {
  return number < kGgmlNames.size() ? kGgmlNames[number] : std::string_view{};
}

std::optional<uint64_t> tensor_bytes(DType dtype, uint64_t rows, uint64_t cols) {
  const DTypeInfo& info = dtype_info(dtype);
  if (cols % info.block_elements != 0) return std::nullopt;
  const auto elements = checked_mul(rows, cols);
  if (!elements) return std::nullopt;
  const auto body = checked_mul(*elements / info.block_elements, info.block_bytes);
  if (!body) return std::nullopt;
  switch (info.layout) {
    case Layout::blocks:
      return body;
    case Layout::rows:
      return checked_add(*body, rows * kInt8RowHeaderBytes);
    case Layout::planes:
      return double_quantized_bytes(*elements);
  }
  return std::nullopt;
}

uint64_t row_bytes(DType dtype, uint64_t cols) {
  const DTypeInfo& info = dtype_info(dtype);
  return cols / info.block_elements * info.block_bytes +
         (info.layout == Layout::rows ? kInt8RowHeaderBytes : 0);
}

}  // namespace nibble
