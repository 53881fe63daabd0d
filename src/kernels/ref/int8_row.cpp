#include "kernels/ref/int8_row.h"

#include <cstring>

#include "base/error.h"
#include "kernels/four_bit_blocks.h"
#include "kernels/matmul_args.h"
#include "kernels/packed_format.h"
#include "tensor/blocks.h"
#include "tensor/codes.h"
#include "tensor/sparse_blocks.h"

namespace nibble {

namespace {

template <typename Block>
concept HasMin = requires(const Block& b) {
  b.m;
};

/// Calls take(block, first column) for each block of the row.
template <typename Block, typename Take>
void for_each_block(const std::byte* row, size_t cols, Take take) {
  for (size_t i = 0; i < cols / Block::kElements; ++i) {
    Block block;
    std::memcpy(&block, row + i * sizeof(Block), sizeof(Block));
    take(block, i * Block::kElements);
  }
}

/// Blocks with one scale, or one scale and one min, for a multiple of 32 columns.
template <typename Block, typename Value>
void expand_scaled(const std::byte* row, size_t cols, Int8Row& out, Value value) {
  if constexpr (HasMin<Block>) out.min.resize(out.scale.size());
  for_each_block<Block>(row, cols, [&](const Block& b, size_t first) {
    uint8_t q[Block::kElements];
    unpack_codes(b, q);
    for (size_t i = 0; i < Block::kElements; ++i) out.q[first + i] = int8_t(value(q[i]));
    for (size_t g = first / out.group; g < (first + Block::kElements) / out.group; ++g) {
      if constexpr (std::is_same_v<Block, BlockMXFP4>) {
        out.scale[g] = mxfp4_half_scale(b.e);
      } else {
        out.scale[g] = half_to_float(b.d);
      }
      if constexpr (HasMin<Block>) out.min[g] = half_to_float(b.m);
    }
  });
}

/// Super-blocks with integer scales.
template <typename Block, typename Value>
void expand_super(const std::byte* row, size_t cols, Int8Row& out, Value value) {
  for_each_block<Block>(row, cols, [&](const Block& b, size_t first) {
    uint8_t q[Block::kElements];
    int8_t scales[16] = {};
    unpack_codes(b, q);
    unpack_scales(b, scales);
    for (size_t i = 0; i < Block::kElements; ++i) out.q[first + i] = int8_t(value(q[i]));
    for (size_t g = 0; g < Block::kElements / out.group; ++g) {
      out.scale[first / out.group + g] = half_to_float(b.d) * float(scales[g]);
    }
  });
}

/// Super-blocks with integer scales and mins.
template <typename Block>
void expand_super_min(const std::byte* row, size_t cols, Int8Row& out) {
  out.min.resize(out.scale.size());
  for_each_block<Block>(row, cols, [&](const Block& b, size_t first) {
    uint8_t scales[16] = {}, mins[16] = {};
    unpack_codes(b, reinterpret_cast<uint8_t*>(out.q.data() + first));
    unpack_scales(b, scales, mins);
    for (size_t g = 0; g < Block::kElements / out.group; ++g) {
      out.scale[first / out.group + g] = half_to_float(b.d) * float(scales[g]);
      out.min[first / out.group + g] = -(half_to_float(b.dmin) * float(mins[g]));
    }
  });
}

/// Q3_K: products of codes and integer scales, negated since that fits a byte.
void expand_folded(const std::byte* row, size_t cols, Int8Row& out) {
  for_each_block<BlockQ3_K>(row, cols, [&](const BlockQ3_K& b, size_t first) {
    uint8_t q[BlockQ3_K::kElements];
    int8_t scales[16];
    unpack_codes(b, q);
    unpack_scales(b, scales);
    for (size_t i = 0; i < BlockQ3_K::kElements; ++i)
      out.q[first + i] = int8_t(-scales[i / kFoldedColumns] * (int(q[i]) - 4));
    for (size_t g = 0; g < BlockQ3_K::kElements / out.group; ++g)
      out.scale[first / out.group + g] = -half_to_float(b.d);
  });
}

void expand_channel(const std::byte* row, size_t cols, Int8Row& out) {
  float scale = 0;
  std::memcpy(&scale, row, sizeof(scale));
  std::memcpy(out.q.data(), row + kInt8RowHeaderBytes, cols);
  std::fill(out.scale.begin(), out.scale.end(), scale);
}

void expand_four_bit_floats(const TensorView& tensor, size_t index, const int8_t (&values)[16], float unit,
                            Int8Row& out) {
  const size_t blocks = tensor.cols() / BlockNF4::kElements;
  const FourBitBlocks source(tensor);
  for (size_t block = 0; block < blocks; ++block) {
    uint8_t codes[BlockNF4::kElements];
    out.scale[block] = source.take(index * blocks + block, codes) / unit;
    for (size_t i = 0; i < BlockNF4::kElements; ++i)
      out.q[block * BlockNF4::kElements + i] = values[codes[i]];
  }
}

}  // namespace

void expand_int8_row(const TensorView& tensor, size_t index, ActivationGroups groups, Int8Row& out) {
  out.group = tensor.dtype == DType::Q3_K ? groups.scale : groups.sum;
  const size_t step = groups.scale;
  const size_t cols = tensor.cols(), padded = (cols + step - 1) / step * step;
  // FourBitBlocks finds its own way, and planes have no rows.
  const bool rows = dtype_info(tensor.dtype).layout != Layout::planes;
  const std::byte* row = tensor.data.data() + (rows ? index * row_bytes(tensor.dtype, cols) : 0);
  const auto minus = [](int offset) { return [offset](uint8_t q) { return int(q) - offset; }; };
  const auto identity = minus(0);
  const auto iq4 = [](uint8_t q) { return kIQ4Values[q]; };
  out.q.assign(padded, 0);
  out.scale.assign(padded / out.group, 0.0f);
  out.min.clear();
  switch (tensor.dtype) {
    case DType::Q4_0:
      return expand_scaled<BlockQ4_0>(row, cols, out, minus(8));
    case DType::Q4_1:
      return expand_scaled<BlockQ4_1>(row, cols, out, identity);
    case DType::Q5_0:
      return expand_scaled<BlockQ5_0>(row, cols, out, minus(16));
    case DType::Q5_1:
      return expand_scaled<BlockQ5_1>(row, cols, out, identity);
    case DType::Q8_0:
      return expand_scaled<BlockQ8_0>(row, cols, out, [](uint8_t q) { return int8_t(q); });
    case DType::Q2_K:
      return expand_super_min<BlockQ2_K>(row, cols, out);
    case DType::Q3_K:
      return expand_folded(row, cols, out);
    case DType::Q4_K:
      return expand_super_min<BlockQ4_K>(row, cols, out);
    case DType::Q5_K:
      return expand_super_min<BlockQ5_K>(row, cols, out);
    case DType::Q6_K:
      return expand_super<BlockQ6_K>(row, cols, out, minus(32));
    case DType::IQ4_NL:
      return expand_scaled<BlockIQ4_NL>(row, cols, out, iq4);
    case DType::IQ4_XS:
      return expand_super<BlockIQ4_XS>(row, cols, out, iq4);
    case DType::MXFP4:
      return expand_scaled<BlockMXFP4>(row, cols, out, [](uint8_t q) { return kMXFP4Values[q]; });
    case DType::NF4:
    case DType::NF4_DQ:
      return expand_four_bit_floats(tensor, index, kNF4Bytes, kNF4Unit, out);
    case DType::FP4:
    case DType::FP4_DQ:
      return expand_four_bit_floats(tensor, index, kFP4Bytes, kFP4Unit, out);
    case DType::INT8:
      return expand_channel(row, cols, out);
    case DType::INT4_G64:
      return expand_scaled<BlockInt4<64>>(row, cols, out, minus(8));
    case DType::INT4_G128:
      return expand_scaled<BlockInt4<128>>(row, cols, out, minus(8));
    case DType::UINT4_G64:
      return expand_scaled<BlockUint4<64>>(row, cols, out, identity);
    case DType::UINT4_G128:
      return expand_scaled<BlockUint4<128>>(row, cols, out, identity);
    case DType::Q8_S50:
      return expand_scaled<BlockQ8_S50>(row, cols, out, [](uint8_t q) { return int8_t(q); });
    case DType::Q4_S50:
      return expand_scaled<BlockQ4_S50>(row, cols, out, minus(8));
    default:
      fail("type {} has no integer weights", dtype_name(tensor.dtype));
  }
}

}  // namespace nibble
