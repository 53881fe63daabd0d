#include "kernels/quantized_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "base/half.h"
#include "kernels/emulation/emulated_quantized_attention.h"
#include "kernels/quantized_attention_tables.h"

namespace nibble {
namespace {

struct TableCase {
  const char* name;
  Isa isa;  ///< that the machine needs
  const QuantizedAttentionOps* ops;
};

/// Every table; those the machine can't run are skipped visibly.
class QuantizedAttentionTest : public testing::TestWithParam<TableCase> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam().isa)) GTEST_SKIP() << "this machine has no " << GetParam().name;
  }
  const QuantizedAttentionOps& ops_ = *GetParam().ops;
};

std::string case_name(const testing::TestParamInfo<TableCase>& param) {
  return param.param.name;
}

INSTANTIATE_TEST_SUITE_P(Table, QuantizedAttentionTest,
                         testing::Values(TableCase{"scalar", Isa::scalar, &ref::quantized_attention},
                                         TableCase{"avx2", Isa::avx2, &avx2::quantized_attention},
                                         TableCase{"avx_vnni", Isa::avx_vnni, &avx_vnni::quantized_attention},
                                         TableCase{"avx512", Isa::avx512, &avx512::quantized_attention},
                                         TableCase{"avx512_vnni", Isa::avx512_vnni,
                                                   &vnni::quantized_attention}),
                         case_name);
#ifdef NIBBLE_EMULATION
INSTANTIATE_TEST_SUITE_P(
    Emulated, QuantizedAttentionTest,
    testing::Values(TableCase{"avx_vnni", Isa::avx2, &emulated_avx_vnni::quantized_attention},
                    TableCase{"avx512", Isa::avx2, &emulated_avx512::quantized_attention},
                    TableCase{"avx512_vnni", Isa::avx2, &emulated_vnni::quantized_attention}),
    case_name);
#endif

class Random {
 public:
  explicit Random(uint32_t seed) : random_(seed) {}
  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  std::vector<half> halves(size_t n, float low, float high) {
    std::vector<half> x(n);
    for (half& h : x) h = float_to_half(real(low, high));
    return x;
  }

 private:
  std::mt19937 random_;
};

/// Queries with codes at both ends among them.
struct Queries {
  Queries(size_t rows, size_t groups, Random& random) : groups_(groups) {
    for (size_t i = 0; i < rows * groups * 32; ++i) {
      codes_.push_back(int8_t(i % 5 == 0 ? (i % 2 == 0 ? 127 : -127) : random.integer(-127, 127)));
    }
    for (size_t g = 0; g < rows * groups; ++g) {
      scales_.push_back(random.real(0.001f, 0.01f));
      sums_.push_back(0);
      for (size_t i = 0; i < 32; ++i) sums_.back() += codes_[g * 32 + i];
    }
  }
  QueryCodes from(size_t row) const {
    return {&codes_[row * groups_ * 32], &scales_[row * groups_], &sums_[row * groups_], groups_};
  }
  size_t groups_;
  std::vector<int8_t> codes_;
  std::vector<float> scales_;
  std::vector<int32_t> sums_;
};

constexpr size_t kRows = 11, kStride = 67;

/// Whatever the tile, the bits of a row alone, and those of the reference.
template <typename Score>
void expect_scores(const QuantizedAttentionOps& ops, const Queries& queries, const std::vector<double>& keys,
                   Score score) {
  constexpr double largest_key = 5.0;  // of a code and of a minimum, before they cancel
  std::vector<float> expected(kRows * kStride, -7.0f);
  score(ref::quantized_attention, 0, kRows, 0, kKvPanels, expected.data());
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t p = 0; p < kKvPositions; ++p) {
      double sum = 0.0, size = 0.0, query_size = 0.0;
      for (size_t i = 0; i < queries.groups_ * 32; ++i) {
        const size_t group = r * queries.groups_ + i / 32;
        const double product = double(queries.codes_[group * 32 + i % 32]) * queries.scales_[group] *
                               keys[p * queries.groups_ * 32 + i];
        sum += product;
        size += std::abs(product);
        query_size += std::abs(double(queries.codes_[group * 32 + i % 32])) * queries.scales_[group];
      }
      // Integers are exact; each group takes at most 4 roundings, and their sum one a group. A minimum may
      // cancel most of what it is added to.
      size = std::max(size, largest_key * query_size);
      ASSERT_NEAR(expected[r * kStride + p], sum, size * double(queries.groups_ + 4) * 0x1p-24);
    }
  }
  for (size_t row : {size_t(0), size_t(3)}) {
    for (size_t rows = 1; row + rows <= kRows; ++rows) {
      for (const auto& [first, last] :
           {std::pair<size_t, size_t>{0, 1}, {0, 2}, {0, 3}, {0, 4}, {2, 3}, {1, 4}}) {
        std::vector<float> scores(rows * kStride, -7.0f);
        score(ops, row, rows, first, last, scores.data());
        for (size_t r = 0; r < rows; ++r) {
          for (size_t p = 0; p < kStride; ++p) {
            const bool inside = p >= first * kKeyPanel && p < last * kKeyPanel;
            const float want = inside ? expected[(row + r) * kStride + p] : -7.0f;
            ASSERT_EQ(scores[r * kStride + p], want) << rows << " rows, panels from " << first << ", " << p;
          }
        }
      }
    }
  }
}

/// Groups of keys with random codes, of which some are `most`, and random halves after them.
std::vector<uint8_t> random_keys(size_t groups, size_t code_bytes, int least, int most,
                                 const std::vector<std::pair<float, float>>& halves, Random& random) {
  std::vector<uint8_t> keys;
  for (size_t g = 0; g < groups; ++g) {
    for (size_t i = 0; i < code_bytes; ++i) {
      keys.push_back(uint8_t(i % 7 == 0 ? (i % 2 == 0 ? most : least) : random.integer(least, most)));
    }
    for (const auto& [low, high] : halves) {
      for (const half h : random.halves(kKvPositions, low, high)) {
        keys.push_back(uint8_t(h & 255));
        keys.push_back(uint8_t(h >> 8));
      }
    }
  }
  return keys;
}

double half_at(const uint8_t* bytes, size_t index) {
  return half_to_float(half(bytes[2 * index] + 256 * bytes[2 * index + 1]));
}

TEST_P(QuantizedAttentionTest, Int8ScoresAreThoseOfTheReferenceInAnyTile) {
  for (size_t groups : {1u, 2u, 3u, 4u, 8u}) {
    Random random{uint32_t(groups)};
    const Queries queries(kRows, groups, random);
    const std::vector<uint8_t> bytes = random_keys(groups, 32 * 64, 1, 255, {{0.001f, 0.02f}}, random);
    ASSERT_EQ(bytes.size(), groups * kInt8KeyBytes);
    std::vector<double> keys;
    for (size_t p = 0; p < kKvPositions; ++p) {
      for (size_t i = 0; i < groups * 32; ++i) {
        const uint8_t* group = &bytes[i / 32 * kInt8KeyBytes];
        const int code = group[(i % 32 / 4 * 64 + p) * 4 + i % 4] - 128;
        keys.push_back(code * half_at(group + 32 * 64, p));
      }
    }
    expect_scores(ops_, queries, keys,
                  [&](const QuantizedAttentionOps& ops, size_t row, size_t rows, size_t first, size_t last,
                      float* out) {
                    ops.score_int8(queries.from(row), rows, bytes.data(), first, last, out, kStride);
                  });
  }
}

TEST_P(QuantizedAttentionTest, Int4ScoresAreThoseOfTheReferenceInAnyTile) {
  for (size_t groups : {1u, 2u, 3u, 4u, 8u}) {
    Random random{uint32_t(groups)};
    const Queries queries(kRows, groups, random);
    const std::vector<uint8_t> bytes =
        random_keys(groups, 16 * 64, 0, 255, {{0.01f, 0.2f}, {-2.0f, 1.0f}}, random);
    ASSERT_EQ(bytes.size(), groups * kInt4KeyBytes);
    std::vector<double> keys;
    for (size_t p = 0; p < kKvPositions; ++p) {
      for (size_t i = 0; i < groups * 32; ++i) {
        const uint8_t* group = &bytes[i / 32 * kInt4KeyBytes];
        const int pair = group[(i % 32 / 8 * 64 + p) * 4 + i % 4];
        const int code = i % 8 < 4 ? pair % 16 : pair / 16;
        keys.push_back(code * half_at(group + 16 * 64, p) + half_at(group + 16 * 64, 64 + p));
      }
    }
    expect_scores(ops_, queries, keys,
                  [&](const QuantizedAttentionOps& ops, size_t row, size_t rows, size_t first, size_t last,
                      float* out) {
                    ops.score_int4(queries.from(row), rows, bytes.data(), first, last, out, kStride);
                  });
  }
}

TEST_P(QuantizedAttentionTest, WeightsAreWithinHalfAStep) {
  Random random(1);
  for (size_t groups : {1u, 4u}) {
    for (size_t from : {0u, 5u, 60u}) {
      std::vector<float> weights(kKvPositions, 0.0f);
      std::vector<half> scales = random.halves(groups * kKvPositions, 0.001f, 0.1f);
      for (size_t p = from; p < kKvPositions; ++p) weights[p] = std::exp(-random.real(0.0f, 8.0f));
      // What stands where nothing is seen must not matter.
      for (size_t p = 0; p < from; ++p) scales[p] = p % 2 == 0 ? half(0x7c00) : half(0x7e00);
      std::vector<uint8_t> planes(groups * 2 * kKvPositions), expected(planes.size());
      const float scale = ops_.quantize_weights(weights.data(), scales.data(), groups, planes.data());
      EXPECT_EQ(scale, ref::quantized_attention.quantize_weights(weights.data(), scales.data(), groups,
                                                                 expected.data()));
      EXPECT_EQ(planes, expected);
      for (size_t g = 0; g < groups; ++g) {
        for (size_t p = 0; p < kKvPositions; ++p) {
          const uint8_t low = planes[2 * g * kKvPositions + p], high = planes[(2 * g + 1) * kKvPositions + p];
          ASSERT_LT(low, 128);
          ASSERT_LT(high, 128);
          const double want =
              weights[p] == 0.0f ? 0.0 : double(weights[p]) * half_to_float(scales[g * kKvPositions + p]);
          EXPECT_NEAR((low + 128 * high) * double(scale), want, 0.501 * scale);
        }
      }
    }
  }
  std::vector<float> none(kKvPositions, 0.0f);
  std::vector<half> scales(kKvPositions, 0x3c00);
  std::vector<uint8_t> planes(2 * kKvPositions, 9);
  EXPECT_EQ(ops_.quantize_weights(none.data(), scales.data(), 1, planes.data()), 0.0f);
  EXPECT_EQ(planes, std::vector<uint8_t>(2 * kKvPositions, 0));
}

TEST_P(QuantizedAttentionTest, MinimaAreWeighed) {
  Random random(2);
  std::vector<float> weights(kKvPositions);
  std::vector<half> minima = random.halves(kKvPositions, -2.0f, 2.0f);
  double expected = 0.0;
  for (size_t p = 0; p < kKvPositions; ++p) {
    weights[p] = p % 3 == 0 ? 0.0f : random.real(0.0f, 1.0f);
    if (p % 3 == 0) minima[p] = 0x7e00;
    if (p % 3 != 0) expected += double(weights[p]) * half_to_float(minima[p]);
  }
  EXPECT_NEAR(ops_.weigh_minima(weights.data(), minima.data()), expected, 1e-5);
}

/// The codes of a value [positions, dim].
template <typename Code, typename Add>
void expect_values(const QuantizedAttentionOps& ops, size_t dim, size_t groups, Code code, Add add) {
  Random random(uint32_t(dim + groups));
  std::vector<uint8_t> planes(kRows * groups * 2 * kKvPositions);
  for (uint8_t& plane : planes) plane = uint8_t(random.integer(0, 9) == 0 ? 127 : random.integer(0, 127));
  std::vector<float> scales(kRows), offsets(kRows * groups), rescale(kRows), before(kRows * dim);
  for (auto* values : {&scales, &offsets, &rescale, &before}) {
    for (float& x : *values) x = random.real(-1.0f, 1.0f);
  }
  const auto weights = [&](size_t row) {
    return ValueWeights{&planes[row * groups * 2 * kKvPositions], &scales[row], &offsets[row * groups],
                        groups};
  };
  for (const auto& [first, last] : {std::pair<size_t, size_t>{0, 16}, {3, 4}, {5, 16}}) {
    std::vector<float> expected = before;
    add(ref::quantized_attention, weights(0), kRows, first, last, rescale.data(), expected.data());
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < dim; ++i) {
        const size_t group = r * groups + (groups == 1 ? 0 : i / 32);
        int64_t sum = 0;
        for (size_t p = 4 * first; p < 4 * last; ++p) {
          const uint8_t* low = &planes[group * 2 * kKvPositions + p];
          sum += (low[0] + 128 * low[kKvPositions]) * code(p, i);
        }
        const double start = double(before[r * dim + i]) * rescale[r], part = double(sum) * scales[r];
        const double offset = add.offset ? offsets[group] : 0.0;
        const double size = std::abs(start) + std::abs(part) + std::abs(offset);
        ASSERT_NEAR(expected[r * dim + i], start + offset + part, 4 * size * 0x1p-24);
      }
    }
    for (size_t rows = 1; rows <= kRows; ++rows) {
      std::vector<float> out(before.begin(), before.begin() + ptrdiff_t(rows * dim));
      add(ops, weights(0), rows, first, last, rescale.data(), out.data());
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_EQ(out[i], expected[i]) << rows << " rows, element " << i;
    }
  }
}

struct AddInt8 {
  static constexpr bool offset = false;
  const std::vector<int8_t>& codes;
  size_t dim;
  void operator()(const QuantizedAttentionOps& ops, const ValueWeights& weights, size_t rows, size_t first,
                  size_t last, const float* rescale, float* out) const {
    ops.add_int8(weights, rows, codes.data(), first, last, dim, rescale, out);
  }
};

struct AddInt4 {
  static constexpr bool offset = true;
  const std::vector<uint8_t>& codes;
  size_t dim;
  void operator()(const QuantizedAttentionOps& ops, const ValueWeights& weights, size_t rows, size_t first,
                  size_t last, const float* rescale, float* out) const {
    ops.add_int4(weights, rows, codes.data(), first, last, dim, rescale, out);
  }
};

TEST_P(QuantizedAttentionTest, ValuesAreThoseOfTheReferenceInAnyTile) {
  for (size_t dim : {32u, 64u, 96u, 128u, 256u}) {
    Random random{uint32_t(dim)};
    std::vector<int8_t> bytes(kKvPositions * dim);
    for (int8_t& b : bytes) b = int8_t(random.integer(0, 9) == 0 ? -127 : random.integer(-127, 127));
    for (const size_t groups : {size_t(1), dim / 32}) {
      expect_values(
          ops_, dim, groups, [&](size_t p, size_t i) { return int(bytes[(p / 4 * dim + i) * 4 + p % 4]); },
          AddInt8{bytes, dim});
    }
    std::vector<uint8_t> nibbles(kKvPositions * dim / 2);
    for (uint8_t& b : nibbles) b = uint8_t(random.integer(0, 9) == 0 ? 255 : random.integer(0, 255));
    expect_values(
        ops_, dim, dim / 32,
        [&](size_t p, size_t i) {
          const int pair = nibbles[((i / 32 * 16 + p / 4) * 16 + i % 16) * 4 + p % 4];
          return i % 32 < 16 ? pair % 16 : pair / 16;
        },
        AddInt4{nibbles, dim});
  }
}

}  // namespace
}  // namespace nibble
