#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kernels/emulation/emulated_kernels.h"
#include "kernels/linear.h"
#include "kernels/ref/int8_row.h"
#include "kernels/registry.h"
#include "kernels/synthetic_weights.h"
#include "tensor/dequantize.h"

namespace nibble {

void PrintTo(const KernelEntry& entry, std::ostream* out) {
  *out << entry.name;
}

namespace {

std::vector<float> random_activations(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(random) * (random() % 16 == 0 ? 8.0f : 1.0f);
  return x;
}

std::vector<float> multiply(const Linear& linear, const std::vector<float>& x, ThreadPool& pool,
                            size_t gap = 0, Isa isa = Isa::amx) {
  const size_t tokens = x.size() / linear.cols(), stride = linear.rows() + gap;
  std::vector<float> y(tokens * stride, -77.0f);
  Activations activations;
  activations.set(x.data(), tokens, linear.cols());
  activations.set_isa(isa);
  linear.multiply(activations, y.data(), stride, pool);
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t r = linear.rows(); r < stride; ++r)
      EXPECT_EQ(y[t * stride + r], -77.0f) << "wrote past row " << t;
    std::copy_n(y.begin() + t * stride, linear.rows(), y.begin() + t * linear.rows());
  }
  y.resize(tokens * linear.rows());
  return y;
}

/// The reference with the same form of activations.
const KernelEntry& reference_of(const KernelEntry& kernel) {
  return select_kernel(kernel.dtype, Isa::scalar, kernel.activations);
}

void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& expected, size_t rows) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
        << "token " << i / rows << " row " << i % rows << ": " << actual[i] << " for " << expected[i];
  }
}

/// Roundings that a product goes through on its way to a float kernel's result: in a block of 64 columns,
/// then one a block. AMX sums chains of 16 products of bfloat16, then the even and the odd chain, then one
/// such sum for each 32 columns and pair of parts: 3 of an activation, 2 of an F16 weight
/// (amx/float_kernel.h). Parts have the sign of what they add up to, so that their magnitudes add up, too.
float roundings(const KernelEntry& kernel, size_t cols) {
  if (kernel.isa != Isa::amx) return 64.0f + float(cols) / 64.0f;
  const float parts = kernel.dtype == DType::F16 ? 6.0f : 3.0f;
  return 16.0f + 1.0f + parts * std::ceil(float(cols) / 32.0f);
}

/// Float kernels sum and dequantize in another order than the reference. A sum whose products, of exact
/// factors, go through n roundings errs by at most (n + 2) units of 2^-24 relative to the sum of magnitudes
/// (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and three more roundings make the
/// weights from codes and scales.
void expect_close(const KernelEntry& kernel, const std::vector<float>& actual,
                  const std::vector<float>& expected, const TensorView& w, const std::vector<float>& x) {
  const size_t rows = w.rows(), cols = w.cols();
  const float bound = (roundings(kernel, cols) + roundings(reference_of(kernel), cols) + 12.0f) * 0x1p-24f;
  std::vector<float> row(cols);
  for (size_t r = 0; r < rows; ++r) {
    dequantize_rows(w, r, 1, row.data());
    for (size_t t = 0; t < x.size() / cols; ++t) {
      float magnitude = 0;
      for (size_t c = 0; c < cols; ++c) magnitude += std::fabs(row[c] * x[t * cols + c]);
      ASSERT_NEAR(actual[t * rows + r], expected[t * rows + r], bound * magnitude)
          << "token " << t << " row " << r;
    }
  }
}

void compare_with_reference(const KernelEntry& kernel, size_t rows, size_t cols, size_t tokens) {
  SCOPED_TRACE(testing::Message() << kernel.name << " rows " << rows << " cols " << cols << " tokens "
                                  << tokens);
  ThreadPool pool(1);
  const SyntheticWeights w = synthetic_weights(kernel.dtype, rows, cols, rows * 131 + cols + tokens);
  const std::vector<float> x = random_activations(tokens * cols, cols + tokens);
  const auto expected = multiply(Linear::pack(w.view, reference_of(kernel), pool), x, pool);
  const auto actual = multiply(Linear::pack(w.view, kernel, pool), x, pool, rows % 3);
  if (is_quantized(kernel.activations)) {
    expect_same_bits(actual, expected, rows);
  } else {
    expect_close(kernel, actual, expected, w.view, x);
  }
}

/// How this machine runs a row of the table.
enum class Mode { native, emulated, skipped };

/// NIBBLE_EMULATE=1 takes the emulation where the machine has the instruction set, too.
Mode how_to_run(const KernelEntry& entry) {
  const bool emulates = cpu_supports(Isa::avx2) && emulated_kernel(entry);
  const bool native = cpu_supports(entry.isa);
  if (native && !(emulates && std::getenv("NIBBLE_EMULATE") != nullptr)) return Mode::native;
  return emulates ? Mode::emulated : Mode::skipped;
}

/// Says which instruction sets were tested, natively and by emulation.
class IsaReport : public testing::Environment {
 public:
  void TearDown() override {
    std::map<Mode, std::set<std::string>> isas;
    for (const KernelEntry& entry : kernel_table()) isas[how_to_run(entry)].emplace(isa_name(entry.isa));
    std::cout << "kernels ran natively: " << testing::PrintToString(isas[Mode::native])
              << ", emulated: " << testing::PrintToString(isas[Mode::emulated])
              << ", skipped: " << testing::PrintToString(isas[Mode::skipped]) << "\n";
  }
};
const auto* const kIsaReport = testing::AddGlobalTestEnvironment(new IsaReport);

/// One test per row of the table; those this machine can't run are emulated or skipped by name.
class Kernel : public testing::TestWithParam<KernelEntry> {
 protected:
  void SetUp() override {
    kernel_ = GetParam();
    const Mode mode = how_to_run(kernel_);
    if (mode == Mode::emulated) kernel_ = *emulated_kernel(GetParam());
    if (mode == Mode::skipped) GTEST_SKIP() << "this machine has no " << isa_name(kernel_.isa);
  }
  size_t block() const { return dtype_info(kernel_.dtype).block_elements; }

  KernelEntry kernel_;
};

TEST_P(Kernel, EqualsReferenceAroundItsTiles) {
  for (size_t rows = 1; rows <= 40; ++rows) compare_with_reference(kernel_, rows, 256, 1 + rows % 7);
  for (size_t tokens = 1; tokens <= 20; ++tokens) compare_with_reference(kernel_, 19, 512, tokens);
}

TEST_P(Kernel, EqualsReferenceForEveryLength) {
  const size_t step = block() == 1 ? 7 : block();
  for (size_t cols = step; cols <= 10 * step; cols += step) {
    compare_with_reference(kernel_, 17, cols, 3);
    compare_with_reference(kernel_, 17, cols, 14);
  }
}

/// Longer than the columns that scratch memory holds, and more tokens than a cache block.
TEST_P(Kernel, EqualsReferenceAcrossColumnBlocks) {
  compare_with_reference(kernel_, 18, 4096, 9);
  compare_with_reference(kernel_, 18, 4096 + 256, 50);
  compare_with_reference(kernel_, 18, 16384, 8);
}

TEST_P(Kernel, ResultsDependOnNeitherThreadsNorBatch) {
  const size_t rows = 150, cols = 512, tokens = 23;
  const SyntheticWeights w = synthetic_weights(kernel_.dtype, rows, cols, 5);
  const std::vector<float> x = random_activations(tokens * cols, 6);
  ThreadPool one(1);
  const Linear linear = Linear::pack(w.view, kernel_, one);
  const auto expected = multiply(linear, x, one);
  for (int threads : {2, 3, 5}) {
    ThreadPool pool(threads);
    SCOPED_TRACE(threads);
    expect_same_bits(multiply(Linear::pack(w.view, kernel_, pool), x, pool), expected, rows);
  }
  for (size_t t = 0; t < tokens; ++t) {
    SCOPED_TRACE(testing::Message() << "alone: token " << t);
    const auto alone = multiply(linear, {x.begin() + t * cols, x.begin() + (t + 1) * cols}, one);
    expect_same_bits(alone, {expected.begin() + t * rows, expected.begin() + (t + 1) * rows}, rows);
  }
}

TEST_P(Kernel, OthersOnTheSameBytesHaveTheSameResults) {
  const size_t rows = 50, cols = 512, tokens = 9;
  const std::vector<float> x = random_activations(tokens * cols, 6);
  ThreadPool pool(1);
  const SyntheticWeights w = synthetic_weights(kernel_.dtype, rows, cols, 5);
  const Linear linear = Linear::pack(w.view, kernel_, pool);
  const auto expected = multiply(linear, x, pool);
  EXPECT_EQ(linear.kernel_name(), kernel_.name);
  for (const Isa isa : cpu_info().isas) {
    SCOPED_TRACE(linear.kernel_name(isa));
    expect_same_bits(multiply(linear, x, pool, 0, isa), expected, rows);
  }
  const bool others = kernel_.isa > Isa::avx2 && is_quantized(kernel_.activations);
  EXPECT_EQ(linear.kernel_name(Isa::avx2) != kernel_.name, others && cpu_supports(Isa::avx2));
}

TEST_P(Kernel, MultipliesExtremeCodesWithoutOverflow) {
  const size_t rows = 16, cols = 256;
  SyntheticWeights w = synthetic_weights(kernel_.dtype, rows, cols, 1);
  if (!is_quantized(kernel_.activations)) return;
  ThreadPool pool(1);
  for (int byte : {0x00, 0xff, 0x80, 0x7f}) {
    std::fill(w.bytes.begin(), w.bytes.end(), std::byte(byte));
    // Halves of 0x8080, 0x7f7f and the like are tiny or not finite; 0x3c3c is about 1.
    const SyntheticWeights scales = synthetic_weights(kernel_.dtype, rows, cols, 2);
    const DTypeInfo& info = dtype_info(kernel_.dtype);
    const bool tail = info.dtype == DType::Q2_K || info.dtype == DType::Q3_K || info.dtype == DType::Q6_K;
    const size_t unit = info.layout == Layout::rows ? row_bytes(info.dtype, cols) : info.block_bytes;
    for (size_t at = 0; at < w.bytes.size(); at += unit) {
      const size_t from = tail ? at + unit - 4 : at;
      std::copy_n(scales.bytes.begin() + from, 4, w.bytes.begin() + from);
    }
    for (float x : {1.0f, -1.0f}) {
      const std::vector<float> activations(9 * cols, x);
      const auto expected = multiply(Linear::pack(w.view, reference_of(kernel_), pool), activations, pool);
      expect_same_bits(multiply(Linear::pack(w.view, kernel_, pool), activations, pool), expected, rows);
    }
  }
}

/// Multiplying by one takes no rounding: every bit of activations and weights reaches the product.
TEST_P(Kernel, LosesNoBitOfAFactor) {
  const DType dtype = kernel_.dtype;
  if (dtype != DType::F32 && dtype != DType::F16 && dtype != DType::BF16) return;
  const size_t size = 40;
  SyntheticWeights w = synthetic_weights(dtype, size, size, 1);
  ThreadPool pool(1);
  std::vector<float> units(size * size, 0.0f);
  for (size_t i = 0; i < size; ++i) units[i * size + i] = 1.0f;
  const auto weights = multiply(Linear::pack(w.view, kernel_, pool), units, pool);  // [cols, rows]
  std::vector<float> row(size);
  for (size_t r = 0; r < size; ++r) {
    dequantize_rows(w.view, r, 1, row.data());
    for (size_t c = 0; c < size; ++c) ASSERT_EQ(weights[c * size + r], row[c]) << r << " " << c;
  }
  const size_t bytes = dtype_info(dtype).block_bytes;
  const uint32_t one = dtype == DType::F16 ? 0x3c00u : dtype == DType::BF16 ? 0x3f80u : 0x3f800000u;
  std::fill(w.bytes.begin(), w.bytes.end(), std::byte(0));
  for (size_t i = 0; i < size; ++i) std::memcpy(w.bytes.data() + i * (size + 1) * bytes, &one, bytes);
  const std::vector<float> x = random_activations(3 * size, 2);
  EXPECT_EQ(multiply(Linear::pack(w.view, kernel_, pool), x, pool), x);
}

std::string entry_name(const testing::TestParamInfo<KernelEntry>& info) {
  return std::string(info.param.name);
}

INSTANTIATE_TEST_SUITE_P(Table, Kernel, testing::ValuesIn(kernel_table().begin(), kernel_table().end()),
                         entry_name);

}  // namespace
}  // namespace nibble
