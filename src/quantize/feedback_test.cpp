#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/cpu.h"
#include "base/testing.h"
#include "quantize/block_grid.h"
#include "quantize/rtn/table.h"
#include "quantize/test_rows.h"

/// Rounding eight rows with error feedback, in every compilation, against one row at a time.
namespace nibble::feedback_test {
namespace {

constexpr size_t kColumns = 96, kStride = 128;

struct Rounded {
  std::vector<float> places, errors;
  std::array<float, kFeedbackRows> losses{};

  Rounded() : places(kColumns * kFeedbackRows), errors(places.size()) {}
  bool operator==(const Rounded&) const = default;
};

/// Random values, scales and offsets [columns, rows] and an upper triangular factor.
struct Case {
  Grid grid;
  std::vector<float> w, scale, offset, factor;

  explicit Case(DType dtype)
      : grid(grid_of(dtype)),
        w(make_values(Distribution::gauss, kColumns * kFeedbackRows)),
        scale(w.size()),
        offset(w.size()),
        factor(kColumns * kStride) {
    SplitMix64 random(3);
    const float reach = grid.levels.empty() ? float(grid.largest) : grid.levels[15];
    for (size_t i = 0; i < w.size(); ++i) {
      scale[i] = float(3 * random.normal()) / reach;
      offset[i] = float(random.normal());
    }
    scale[5] = 0;
    for (size_t j = 0; j < kColumns; ++j) {
      for (size_t k = j; k < kColumns; ++k) factor[j * kStride + k] = float(0.05 * random.normal());
      factor[j * kStride + j] = float(0.5 + random.uniform());
    }
  }

  Rounded by(FeedbackRounder rounder, size_t scale_stride) const {
    Rounded result;
    rounder({kColumns, grid.levels.empty() ? nullptr : grid.levels.data(), float(grid.largest), scale.data(),
             offset.data(), scale_stride, factor.data(), kStride, w.data()},
            {result.places.data(), result.errors.data(), result.losses.data()});
    return result;
  }

  Rounded one_by_one(size_t scale_stride) const {
    Rounded result;
    for (size_t r = 0; r < kFeedbackRows; ++r) {
      std::vector<float> row(kColumns);
      for (size_t j = 0; j < kColumns; ++j) row[j] = w[j * kFeedbackRows + r];
      for (size_t j = 0; j < kColumns; ++j) {
        const size_t at = j * kFeedbackRows + r, scale_at = j * scale_stride + r;
        const GridPoint point = nearest(grid, row[j], scale[scale_at], offset[scale_at]);
        const float error = (row[j] - point.value) / factor[j * kStride + j];
        result.errors[at] = error;
        result.losses[r] += error * error;
        size_t place = 0;  // of the code, in ascending order of levels
        while (!grid.order.empty() && grid.order[place] != point.code) ++place;
        result.places[at] = grid.order.empty() ? float(point.code) : float(place);
        for (size_t k = j + 1; k < kColumns; ++k) row[k] -= error * factor[j * kStride + k];
      }
    }
    return result;
  }
};

class FeedbackDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, FeedbackDType, ::testing::ValuesIn(grid_dtypes()),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST_P(FeedbackDType, EightRowsTogetherAreEightRowsOneByOne) {
  const Case values(GetParam());
  for (const size_t scale_stride : {kFeedbackRows, size_t{0}}) {
    const Rounded expected = values.one_by_one(scale_stride);
    EXPECT_EQ(values.by(rtn_baseline::kTable.feedback_rounder, scale_stride), expected);
    if (!cpu_supports(Isa::avx2)) continue;
    EXPECT_EQ(values.by(rtn_avx2::kTable.feedback_rounder, scale_stride), expected);
  }
}

}  // namespace
}  // namespace nibble::feedback_test
