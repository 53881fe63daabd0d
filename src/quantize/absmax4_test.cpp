#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quantize/double_quant.h"
#include "quantize/quantize_row.h"
#include "quantize/test_golden.h"
#include "quantize/test_rows.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"

/// NF4 and FP4 against bitsandbytes (tests/reference/make_bitsandbytes_golden.py).
namespace nibble {
namespace {

constexpr size_t kBlocks = 300, kSize = 64, kSpecial = 6;

using Bytes = std::vector<std::byte>;

/// The middles between neighbouring values, and the floats next to them.
void fill_thresholds(const float (&values)[16], float* x) {
  std::vector<float> sorted(values, values + 16);
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 15; ++i) {
    const float middle = (sorted[i] + sorted[i + 1]) / 2.0f;
    x[i] = std::nextafter(middle, -2.0f);
    x[15 + i] = middle;
    x[30 + i] = std::nextafter(middle, 2.0f);
  }
  x[45] = 1.0f, x[46] = -1.0f, x[47] = -0.0f;
}

std::vector<float> make_input() {
  std::vector<float> x = golden_values(1, kBlocks * kSize);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= float(16 + i / kSize % 64) * 0x1p-7f;
  std::fill(x.begin(), x.begin() + 3 * kSize, 0.0f);
  fill_thresholds(kNF4Values, &x[kSize]);
  fill_thresholds(kFP4Values, &x[2 * kSize]);
  for (size_t i = 3 * kSize; i < 4 * kSize; ++i) x[i] *= 1e30f;
  for (size_t i = 4 * kSize; i < 5 * kSize; ++i) x[i] *= 1e-38f;
  std::fill(x.begin() + 5 * kSize, x.begin() + 6 * kSize, 0.0f);
  x[5 * kSize + 17] = 0.5f;
  return x;
}

void expect_blocks(DType dtype, const Bytes& codes, const Bytes& absmax) {
  const std::vector<float> x = make_input(), scales = floats(absmax);
  ASSERT_EQ(codes.size(), kBlocks * kSize / 2);
  std::vector<BlockNF4> blocks(kBlocks);
  quantize_row(dtype, x.data(), reinterpret_cast<std::byte*>(blocks.data()), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const BlockNF4& block = blocks[i / kSize];
    const size_t j = i % kSize;
    const int code = j < 32 ? block.qs[j] & 15 : block.qs[j - 32] >> 4;
    const int expected = int(codes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15;
    ASSERT_EQ(code, expected) << "value " << i << " = " << x[i];
    ASSERT_EQ(block.d, scales[i / kSize]);
  }
}

TEST(Absmax4, NF4CodesAndScalesEqualBitsandbytes) {
  auto golden = read_golden("bitsandbytes.txt");
  expect_blocks(DType::NF4, golden["nf4_codes"], golden["nf4_absmax"]);
}

TEST(Absmax4, FP4CodesAndScalesEqualBitsandbytes) {
  auto golden = read_golden("bitsandbytes.txt");
  expect_blocks(DType::FP4, golden["fp4_codes"], golden["fp4_absmax"]);
}

Bytes double_quantized(DType dtype, const std::vector<float>& x, uint64_t chunk) {
  Bytes planes(x.size() / 2);
  DoubleQuantizer quantizer(dtype, x.size());
  for (uint64_t first = 0; first < x.size(); first += chunk) {
    quantizer.add(first, x.data() + first, std::min<uint64_t>(chunk, x.size() - first),
                  planes.data() + first / 2);
  }
  const Bytes scales = quantizer.finish();
  planes.insert(planes.end(), scales.begin(), scales.end());
  return planes;
}

TEST(DoubleQuantizer, PlanesEqualBitsandbytes) {
  auto golden = read_golden("bitsandbytes.txt");
  const std::vector<float> all = make_input(), x(all.begin() + kSpecial * kSize, all.end());
  const Bytes planes = double_quantized(DType::NF4_DQ, x, 640);
  ASSERT_EQ(planes.size(), double_quantized_bytes(x.size()));

  const Bytes& codes = golden["nf4_codes"];
  EXPECT_TRUE(
      std::equal(planes.begin(), planes.begin() + x.size() / 2, codes.begin() + kSpecial * kSize / 2));
  const Bytes scale_codes(planes.begin() + x.size() / 2, planes.begin() + x.size() / 2 + x.size() / kSize);
  EXPECT_EQ(scale_codes, golden["scale_codes"]);
  // The mean is bitsandbytes' up to the order of its sum.
  const std::vector<float> tail = floats(Bytes(planes.end() - 12, planes.end()));
  const std::vector<float> scale2 = floats(golden["scale2"]), offset = floats(golden["offset"]);
  EXPECT_FLOAT_EQ(tail[0], scale2[0]);
  EXPECT_FLOAT_EQ(tail[1], scale2[1]);
  EXPECT_FLOAT_EQ(tail[2], offset[0]);
}

TEST(DoubleQuantizer, UsesTheCodeBookOfBitsandbytes) {
  auto golden = read_golden("bitsandbytes.txt");
  const std::vector<float> expected = floats(golden["dynamic8"]);
  ASSERT_EQ(expected.size(), 256u);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(dynamic8_values()[i], expected[i]) << i;
}

TEST(DoubleQuantizer, ChunksDoNotMatter) {
  const std::vector<float> x = make_values(Distribution::laplace, 64 * 1000);
  for (const DType dtype : {DType::NF4_DQ, DType::FP4_DQ}) {
    EXPECT_EQ(double_quantized(dtype, x, 64), double_quantized(dtype, x, x.size()));
  }
}

TEST(DoubleQuantizer, Costs4127BitsPerThousandWeightsAndLittleError) {
  const uint64_t rows = 64, cols = 4096;
  const std::vector<float> x = make_values(Distribution::gauss, rows * cols);
  const Bytes planes = double_quantized(DType::NF4_DQ, x, cols);
  EXPECT_NEAR(8.0 * double(planes.size()) / double(x.size()), 4.127, 0.001);

  std::vector<float> y(x.size()), plain(x.size());
  dequantize_rows({"w", DType::NF4_DQ, {rows, cols}, planes}, 0, rows, y.data());
  Bytes blocks(row_bytes(DType::NF4, x.size()));
  quantize_row(DType::NF4, x.data(), blocks.data(), x.size());
  dequantize_row(DType::NF4, blocks.data(), plain.data(), x.size());
  double error = 0, plain_error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(double(y[i]) - x[i], 2);
    plain_error += std::pow(double(plain[i]) - x[i], 2);
  }
  EXPECT_LT(error, 1.01 * plain_error);
}

TEST(DoubleQuantizer, ZerosStayZero) {
  const std::vector<float> x(64 * 300, 0.0f);
  const Bytes planes = double_quantized(DType::NF4_DQ, x, x.size());
  std::vector<float> y(x.size(), 1.0f);
  dequantize_rows({"w", DType::NF4_DQ, {300, 64}, planes}, 0, 300, y.data());
  EXPECT_EQ(y, x);
}

TEST(DoubleQuantizer, RefusesOtherTypesAndPartBlocks) {
  EXPECT_THROW(DoubleQuantizer(DType::Q4_0, 64), Error);
  EXPECT_THROW(DoubleQuantizer(DType::NF4_DQ, 65), Error);
}

}  // namespace
}  // namespace nibble
