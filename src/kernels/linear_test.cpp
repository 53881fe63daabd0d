#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/registry.h"
#include "kernels/synthetic_weights.h"
#include "tensor/dequantize.h"

namespace nibble {
namespace {

/// Sets NIBBLE_ISA for a test and puts back what was there.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* value) {
    if (const char* old = std::getenv("NIBBLE_ISA")) old_ = old;
    setenv("NIBBLE_ISA", value, 1);
  }
  ~ForcedIsa() { old_ ? setenv("NIBBLE_ISA", old_->c_str(), 1) : unsetenv("NIBBLE_ISA"); }

 private:
  std::optional<std::string> old_;
};

TEST(Registry, EveryTypeHasItsBestKernelFirstAndItsReferenceLast) {
  std::set<std::string_view> names;
  for (const KernelEntry& entry : kernel_table()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " stands twice";
  }
  for (const DTypeInfo& info : all_dtypes()) {
    SCOPED_TRACE(info.name);
    std::optional<Isa> before;
    bool exact = false;
    for (const KernelEntry& entry : kernel_table()) {
      if (entry.dtype != info.dtype) continue;
      // Kernels that leave activations as they are come after those that round them.
      if (!is_quantized(entry.activations) && !exact) {
        EXPECT_EQ(before.value_or(Isa::scalar), Isa::scalar);
        before.reset();
      }
      EXPECT_GE(!is_quantized(entry.activations), exact);
      exact = !is_quantized(entry.activations);
      if (before) {
        EXPECT_LT(entry.isa, *before) << entry.name;
      }
      before = entry.isa;
    }
    EXPECT_EQ(before, Isa::scalar);
    EXPECT_TRUE(exact);
  }
}

TEST(Registry, SelectsTheWidestThatIsAllowedAndThere) {
  EXPECT_EQ(select_kernel(DType::Q4_0, Isa::scalar).name, "q4_0_reference");
  for (Isa isa : cpu_info().isas) {
    const KernelEntry& entry = select_kernel(DType::Q4_0, isa);
    EXPECT_LE(entry.isa, isa);
    EXPECT_TRUE(cpu_supports(entry.isa));
  }
  if (cpu_supports(Isa::avx2)) {
    EXPECT_EQ(select_kernel(DType::Q4_0, Isa::avx2).name, "q4_0_avx2_16x4");
  }
}

TEST(Linear, TakesTheKernelThatNibbleIsaNames) {
  ThreadPool pool(1);
  const SyntheticWeights w = synthetic_weights(DType::Q4_K, 20, 256, 1);
  const ForcedIsa forced("scalar");
  const Linear linear = Linear::pack(w.view, pool);
  EXPECT_EQ(linear.kernel_name(), "q4_k_reference");
  EXPECT_EQ(linear.owned_bytes(), 0u);
}

TEST(Linear, ProductsOfSeveralMatricesAreThoseOfEach) {
  const size_t cols = 256, tokens = 5;
  ThreadPool pool(2);
  std::vector<SyntheticWeights> weights;
  std::vector<Linear> matrices;
  for (size_t rows : {100u, 36u, 36u}) {
    weights.push_back(synthetic_weights(rows == 100 ? DType::Q4_0 : DType::Q6_K, rows, cols, weights.size()));
  }
  for (const SyntheticWeights& w : weights) matrices.push_back(Linear::pack(w.view, pool));
  std::vector<float> x(tokens * cols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i % 37) - 18.0f;
  std::vector<std::vector<float>> expected, actual;
  Activations activations;
  activations.set(x.data(), tokens, cols);
  for (const Linear& m : matrices) {
    expected.emplace_back(tokens * m.rows());
    m.multiply(activations, expected.back().data(), m.rows(), pool);
    actual.emplace_back(tokens * m.rows());
  }
  std::vector<Linear::Product> products;
  for (size_t i = 0; i < matrices.size(); ++i)
    products.push_back({&matrices[i], actual[i].data(), matrices[i].rows()});
  Linear::multiply_all(products, activations, pool);
  EXPECT_EQ(actual, expected);

  for (auto& y : actual) std::fill(y.begin(), y.end(), 0.0f);
  std::vector<int> finished(36, 0);
  Linear::multiply_then({products.data() + 1, 2}, activations, pool, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      ++finished[r];
      EXPECT_EQ(actual[1][(tokens - 1) * 36 + r], expected[1][(tokens - 1) * 36 + r]);
      EXPECT_EQ(actual[2][(tokens - 1) * 36 + r], expected[2][(tokens - 1) * 36 + r]);
    }
  });
  EXPECT_EQ(finished, std::vector<int>(36, 1));
}

TEST(Linear, LeavesActivationsAsTheyAreWhenAsked) {
  setenv("NIBBLE_ACTIVATIONS", "f32", 1);
  EXPECT_EQ(select_kernel(DType::Q4_0, Isa::scalar).activations, ActivationForm::f32);
  setenv("NIBBLE_ACTIVATIONS", "f8", 1);
  EXPECT_THROW(selected_activations(), Error);
  unsetenv("NIBBLE_ACTIVATIONS");
  EXPECT_EQ(select_kernel(DType::Q4_0, Isa::scalar).activations, ActivationForm::int8);
}

TEST(Linear, KnowsItsShapeAndHoldsOnePackedCopy) {
  ThreadPool pool(2);
  for (const DTypeInfo& info : all_dtypes()) {
    SCOPED_TRACE(info.name);
    const SyntheticWeights w = synthetic_weights(info.dtype, 64, 2048, 1);
    const Linear linear = Linear::pack(w.view, pool);
    EXPECT_EQ(linear.rows(), 64u);
    EXPECT_EQ(linear.cols(), 2048u);
    EXPECT_EQ(linear.dtype(), info.dtype);
    // Super-blocks unpack their 6-bit scales to bytes; double quantization's scales become float32; sparse
    // blocks get their zeros back.
    const bool doubled = info.layout == Layout::planes;
    const uint64_t dense = *tensor_bytes(dense_dtype(info.dtype).value_or(info.dtype), 64, 2048);
    EXPECT_LE(linear.owned_bytes(), dense * (doubled ? 112 : 105) / 100);
  }
}

TEST(Linear, RowsAreTheDequantizedWeights) {
  ThreadPool pool(2);
  for (const DTypeInfo& info : all_dtypes()) {
    SCOPED_TRACE(info.name);
    const SyntheticWeights w = synthetic_weights(info.dtype, 5, 512, 3);
    const Linear linear = Linear::pack(w.view, pool);
    std::vector<float> actual(512), expected(512);
    linear.row(3, actual.data());
    dequantize_rows(w.view, 3, 1, expected.data());
    EXPECT_EQ(actual, expected);
  }
}

}  // namespace
}  // namespace nibble
