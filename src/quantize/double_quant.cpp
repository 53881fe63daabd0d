#include "quantize/double_quant.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "quantize/quantize_row.h"
#include "quantize/rtn/table.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

constexpr uint64_t kBlock = 64;

/// The place of the value of dynamic8_values() nearest to v; the lower one on a tie.
uint8_t nearest_dynamic8(float v) {
  static const auto middles = [] {
    std::array<float, 255> m;
    const auto& values = dynamic8_values();
    for (size_t i = 0; i < m.size(); ++i) m[i] = (values[i] + values[i + 1]) / 2.0f;
    return m;
  }();
  return uint8_t(std::lower_bound(middles.begin(), middles.end(), v) - middles.begin());
}

}  // namespace

DoubleQuantizer::DoubleQuantizer(DType dtype, uint64_t elements, FourBitScale scale)
    : dtype_(dtype), scale_(scale), block_scales_(elements / kBlock) {
  if (dtype != DType::NF4_DQ && dtype != DType::FP4_DQ)
    fail("{} has no double quantization", dtype_name(dtype));
  if (elements % kBlock != 0)
    fail("{} needs a multiple of {} values, not {}", dtype_name(dtype), kBlock, elements);
}

void DoubleQuantizer::add(uint64_t first, const float* x, uint64_t count, std::byte* codes,
                          const float* importance) {
  const FourBitEncoder encode = rtn_table().four_bit_encoder(dtype_, scale_);
  const std::vector<float> weights = normalized_importance(importance, count);
  constexpr uint64_t kChunk = 64;  // blocks whose codes stay in the first-level cache
  uint8_t unpacked[kChunk * kBlock];
  for (uint64_t block = 0; block < count / kBlock; block += kChunk) {
    const uint64_t blocks = std::min(kChunk, count / kBlock - block);
    encode(x + block * kBlock, blocks, unpacked, block_scales_.data() + first / kBlock + block,
           weights.empty() ? nullptr : weights.data() + block * kBlock);
    std::byte* packed = codes + block * kBlock / 2;
    for (uint64_t i = 0; i < blocks * kBlock / 2; ++i) {
      packed[i] = std::byte(unpacked[2 * i] << 4 | unpacked[2 * i + 1]);
    }
  }
}

std::vector<std::byte> DoubleQuantizer::finish() const {
  const uint64_t count = block_scales_.size(), elements = count * kBlock;
  const uint64_t blocks = (count + kDoubleQuantBlock - 1) / kDoubleQuantBlock;
  std::vector<std::byte> out(double_quantized_bytes(elements) - elements / 2);
  double sum = 0;
  for (const float scale : block_scales_) sum += scale;
  const float mean = count == 0 ? 0.0f : float(sum / double(count));

  std::byte* scales2 = out.data() + out.size() - sizeof(float) * (blocks + 1);
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint64_t begin = b * kDoubleQuantBlock, end = std::min(count, begin + kDoubleQuantBlock);
    float largest = 0.0f;
    for (uint64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(block_scales_[i] - mean));
    const float inverse = 1.0f / std::max(largest, 1e-38f);
    for (uint64_t i = begin; i < end; ++i) {
      out[i] = std::byte(nearest_dynamic8(std::clamp((block_scales_[i] - mean) * inverse, -1.0f, 1.0f)));
    }
    std::memcpy(scales2 + b * sizeof(float), &largest, sizeof(float));
  }
  std::memcpy(out.data() + out.size() - sizeof(float), &mean, sizeof(float));
  return out;
}

}  // namespace nibble
