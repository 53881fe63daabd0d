#include "tensor/dequantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tensor/blocks.h"
#include "tensor/codes.h"
#include "tensor/sparse_blocks.h"

namespace nibble {

namespace {

template <typename T>
T load(const void* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

/// x = d * (q - offset), one scale for the block.
template <typename Block>
void dequantize_scaled(const Block& b, int offset, float* out) {
  uint8_t q[Block::kElements];
  unpack_codes(b, q);
  const float d = half_to_float(b.d);
  for (uint32_t i = 0; i < Block::kElements; ++i) out[i] = d * float(int(q[i]) - offset);
}

/// x = d * q + m.
template <typename Block>
void dequantize_with_min(const Block& b, float* out) {
  uint8_t q[Block::kElements];
  unpack_codes(b, q);
  const float d = half_to_float(b.d), m = half_to_float(b.m);
  for (uint32_t i = 0; i < Block::kElements; ++i) out[i] = d * float(q[i]) + m;
}

/// x = d * scale[g] * q - dmin * min[g] over groups of `Group` elements.
template <uint32_t Group, typename Block>
void dequantize_super_min(const Block& b, float* out) {
  uint8_t q[Block::kElements], scales[Block::kElements / Group], mins[Block::kElements / Group];
  unpack_codes(b, q);
  unpack_scales(b, scales, mins);
  for (uint32_t i = 0; i < Block::kElements; ++i) {
    const uint32_t g = i / Group;
    out[i] = half_to_float(b.d) * float(scales[g]) * float(q[i]) - half_to_float(b.dmin) * float(mins[g]);
  }
}

/// x = d * scale[g] * value(q) over groups of `Group` elements.
template <uint32_t Group, typename Block, typename Value>
void dequantize_super(const Block& b, float* out, Value value) {
  uint8_t q[Block::kElements];
  int8_t scales[Block::kElements / Group];
  unpack_codes(b, q);
  unpack_scales(b, scales);
  for (uint32_t i = 0; i < Block::kElements; ++i) {
    const uint32_t g = i / Group;
    out[i] = half_to_float(b.d) * float(scales[g]) * float(value(q[i]));
  }
}

template <typename Block, typename Scale, typename Value>
void dequantize_table(const Block& b, Scale scale, const Value* values, float* out) {
  uint8_t q[Block::kElements];
  unpack_codes(b, q);
  for (uint32_t i = 0; i < Block::kElements; ++i) out[i] = scale * float(values[q[i]]);
}

void dequantize(const BlockQ4_0& b, float* out) {
  dequantize_scaled(b, 8, out);
}
void dequantize(const BlockQ4_S50& b, float* out) {
  dequantize_scaled(b, 8, out);
}
void dequantize(const BlockQ5_0& b, float* out) {
  dequantize_scaled(b, 16, out);
}
template <uint32_t G>
void dequantize(const BlockInt4<G>& b, float* out) {
  dequantize_scaled(b, 8, out);
}
void dequantize(const BlockQ4_1& b, float* out) {
  dequantize_with_min(b, out);
}
void dequantize(const BlockQ5_1& b, float* out) {
  dequantize_with_min(b, out);
}
template <uint32_t G>
void dequantize(const BlockUint4<G>& b, float* out) {
  dequantize_with_min(b, out);
}
void dequantize(const BlockQ8_0& b, float* out) {
  for (uint32_t i = 0; i < BlockQ8_0::kElements; ++i) out[i] = half_to_float(b.d) * float(b.qs[i]);
}
void dequantize(const BlockQ8_S50& b, float* out) {
  uint8_t q[BlockQ8_S50::kElements];
  unpack_codes(b, q);
  for (uint32_t i = 0; i < BlockQ8_S50::kElements; ++i) out[i] = half_to_float(b.d) * float(int8_t(q[i]));
}
void dequantize(const BlockQ2_K& b, float* out) {
  dequantize_super_min<16>(b, out);
}
void dequantize(const BlockQ4_K& b, float* out) {
  dequantize_super_min<32>(b, out);
}
void dequantize(const BlockQ5_K& b, float* out) {
  dequantize_super_min<32>(b, out);
}
void dequantize(const BlockQ3_K& b, float* out) {
  dequantize_super<16>(b, out, [](uint8_t q) { return int(q) - 4; });
}
void dequantize(const BlockQ6_K& b, float* out) {
  dequantize_super<16>(b, out, [](uint8_t q) { return int(q) - 32; });
}
void dequantize(const BlockIQ4_XS& b, float* out) {
  dequantize_super<32>(b, out, [](uint8_t q) { return kIQ4Values[q]; });
}
void dequantize(const BlockIQ4_NL& b, float* out) {
  dequantize_table(b, half_to_float(b.d), kIQ4Values, out);
}
void dequantize(const BlockMXFP4& b, float* out) {
  dequantize_table(b, mxfp4_half_scale(b.e), kMXFP4Values, out);
}

/// A file's bytes may lie at any address, so each block is copied out.
template <typename Block>
void dequantize_blocks(const std::byte* row, float* out, uint64_t cols) {
  for (uint64_t i = 0; i < cols / Block::kElements; ++i) {
    dequantize(load<Block>(row + i * sizeof(Block)), out + i * Block::kElements);
  }
}

void dequantize_float4(const std::byte* row, const float* values, float* out, uint64_t cols) {
  for (uint64_t i = 0; i < cols / BlockNF4::kElements; ++i) {
    const BlockNF4 block = load<BlockNF4>(row + i * sizeof(BlockNF4));
    dequantize_table(block, block.d, values, out + i * BlockNF4::kElements);
  }
}

void dequantize_int8(const std::byte* row, float* out, uint64_t cols) {
  const float scale = load<float>(row);
  for (uint64_t i = 0; i < cols; ++i) out[i] = scale * float(int8_t(row[kInt8RowHeaderBytes + i]));
}

/// torch.linspace(0.1, 1, steps) in float32, which counts its second half from the end and rounds once.
float linspace(int index, int steps) {
  const float step = (1.0f - 0.1f) / float(steps - 1);
  if (index < steps / 2) return std::fma(step, float(index), 0.1f);
  return std::fma(-step, float(steps - index - 1), 1.0f);
}

std::array<float, 256> make_dynamic8() {
  std::array<float, 256> values{};
  size_t count = 0;
  values[count++] = 0.0f;
  values[count++] = 1.0f;
  // Seven decades, the i-th with 2^i means of neighbouring boundaries, both signs.
  constexpr float kDecades[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
  for (int i = 0; i < 7; ++i) {
    const int steps = (1 << i) + 1;
    for (int j = 0; j + 1 < steps; ++j) {
      const float mean = (linspace(j, steps) + linspace(j + 1, steps)) / 2.0f;
      values[count++] = kDecades[i] * mean;
      values[count++] = -kDecades[i] * mean;
    }
  }
  std::sort(values.begin(), values.end());
  return values;
}

void dequantize_planes(const TensorView& tensor, uint64_t first, uint64_t count, const float* values,
                       float* out) {
  const DoubleQuantized planes = double_quantized(tensor);
  const uint64_t begin = first * tensor.cols(), end = begin + count * tensor.cols();
  for (uint64_t block = begin / 64; block < end / 64; ++block) {
    const float scale = planes.block_scale(block);
    for (uint64_t i = 0; i < 32; ++i) {
      const uint8_t pair = planes.codes[block * 32 + i];
      *out++ = scale * values[pair >> 4];
      *out++ = scale * values[pair & 15];
    }
  }
}

}  // namespace

void dequantize_row(DType dtype, const std::byte* row, float* out, uint64_t cols) {
  switch (dtype) {
    case DType::F32:
      std::memcpy(out, row, cols * sizeof(float));
      return;
    case DType::F16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = half_to_float(load<half>(row + 2 * i));
      return;
    case DType::BF16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = bfloat16_to_float(load<bfloat16>(row + 2 * i));
      return;
    case DType::Q4_0:
      return dequantize_blocks<BlockQ4_0>(row, out, cols);
    case DType::Q4_1:
      return dequantize_blocks<BlockQ4_1>(row, out, cols);
    case DType::Q5_0:
      return dequantize_blocks<BlockQ5_0>(row, out, cols);
    case DType::Q5_1:
      return dequantize_blocks<BlockQ5_1>(row, out, cols);
    case DType::Q8_0:
      return dequantize_blocks<BlockQ8_0>(row, out, cols);
    case DType::Q2_K:
      return dequantize_blocks<BlockQ2_K>(row, out, cols);
    case DType::Q3_K:
      return dequantize_blocks<BlockQ3_K>(row, out, cols);
    case DType::Q4_K:
      return dequantize_blocks<BlockQ4_K>(row, out, cols);
    case DType::Q5_K:
      return dequantize_blocks<BlockQ5_K>(row, out, cols);
    case DType::Q6_K:
      return dequantize_blocks<BlockQ6_K>(row, out, cols);
    case DType::IQ4_NL:
      return dequantize_blocks<BlockIQ4_NL>(row, out, cols);
    case DType::IQ4_XS:
      return dequantize_blocks<BlockIQ4_XS>(row, out, cols);
    case DType::MXFP4:
      return dequantize_blocks<BlockMXFP4>(row, out, cols);
    case DType::NF4:
      return dequantize_float4(row, kNF4Values, out, cols);
    case DType::FP4:
      return dequantize_float4(row, kFP4Values, out, cols);
    case DType::INT8:
      return dequantize_int8(row, out, cols);
    case DType::INT4_G64:
      return dequantize_blocks<BlockInt4<64>>(row, out, cols);
    case DType::INT4_G128:
      return dequantize_blocks<BlockInt4<128>>(row, out, cols);
    case DType::UINT4_G64:
      return dequantize_blocks<BlockUint4<64>>(row, out, cols);
    case DType::UINT4_G128:
      return dequantize_blocks<BlockUint4<128>>(row, out, cols);
    case DType::Q8_S50:
      return dequantize_blocks<BlockQ8_S50>(row, out, cols);
    case DType::Q4_S50:
      return dequantize_blocks<BlockQ4_S50>(row, out, cols);
    case DType::NF4_DQ:
    case DType::FP4_DQ:
      break;
  }
  fail("a row of type {} cannot be dequantized on its own", dtype_name(dtype));
}

void dequantize_rows(const TensorView& tensor, uint64_t first, uint64_t count, float* out) {
  if (tensor.dtype == DType::NF4_DQ) return dequantize_planes(tensor, first, count, kNF4Values, out);
  if (tensor.dtype == DType::FP4_DQ) return dequantize_planes(tensor, first, count, kFP4Values, out);
  const uint64_t cols = tensor.cols(), stride = row_bytes(tensor.dtype, cols);
  for (uint64_t i = 0; i < count; ++i) {
    dequantize_row(tensor.dtype, tensor.data.data() + (first + i) * stride, out + i * cols, cols);
  }
}

const std::array<float, 256>& dynamic8_values() {
  static const std::array<float, 256> values = make_dynamic8();
  return values;
}

float DoubleQuantized::block_scale(uint64_t index) const {
  const float scale2 = load<float>(scales2 + index / kDoubleQuantBlock * sizeof(float));
  return dynamic8_values()[scale_codes[index]] * scale2 + mean;
}

DoubleQuantized double_quantized(const TensorView& tensor) {
  const uint64_t elements = tensor.elements(), blocks = elements / 64;
  const auto* bytes = reinterpret_cast<const uint8_t*>(tensor.data.data());
  const uint64_t head = (elements / 2 + blocks + 3) / 4 * 4;
  const uint64_t blocks2 = (blocks + kDoubleQuantBlock - 1) / kDoubleQuantBlock;
  const std::byte* scales2 = tensor.data.data() + head;
  return {bytes, bytes + elements / 2, scales2, load<float>(scales2 + blocks2 * sizeof(float))};
}

}  // namespace nibble
