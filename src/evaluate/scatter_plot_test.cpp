#include "evaluate/scatter_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nibble {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ScatterPlot, TicksAreRoundAndCoverTheRange) {
  EXPECT_THAT(round_ticks(0, 100, 5), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(round_ticks(0, 101, 5), ElementsAre(0, 50, 100, 150));
  EXPECT_THAT(round_ticks(38, 53, 5), ElementsAre(35, 40, 45, 50, 55));
  const auto small = round_ticks(0.011, 0.019, 4);
  EXPECT_LE(small.front(), 0.011);
  EXPECT_GE(small.back(), 0.019);
  EXPECT_GE(round_ticks(3, 3, 5).size(), 2u);
}

TEST(ScatterPlot, LabelsOfCrowdedPointsDoNotOverlap) {
  const Box frame{0, 0, 480, 330};
  std::vector<double> widths, xs, ys;
  std::vector<Box> points;
  for (int i = 0; i < 8; ++i) {
    widths.push_back(60);
    xs.push_back(450 + i);  // at the right edge, 1 apart
    ys.push_back(150 + 2 * i);
    points.push_back({xs.back() - 5, ys.back() - 5, xs.back() + 5, ys.back() + 5});
  }
  const auto boxes = place_labels(widths, 15, xs, ys, points, frame);
  ASSERT_EQ(boxes.size(), 8u);
  for (size_t i = 0; i < boxes.size(); ++i) {
    EXPECT_GE(boxes[i].left, frame.left);
    EXPECT_LE(boxes[i].right, frame.right);
    for (size_t j = 0; j < i; ++j) EXPECT_EQ(overlap_area(boxes[i], boxes[j]), 0) << i << ", " << j;
    for (const Box& point : points) EXPECT_EQ(overlap_area(boxes[i], point), 0) << i;
  }
}

TEST(ScatterPlot, LonelyLabelStandsRightOfItsPoint) {
  const auto boxes = place_labels({40}, 15, {100}, {100}, {}, {0, 0, 480, 330});
  EXPECT_EQ(boxes[0].left, 108);
  EXPECT_EQ((boxes[0].top + boxes[0].bottom) / 2, 100);
}

TEST(ScatterPlot, EscapesWhatItDraws) {
  const std::string svg = scatter_svg({"memory, MB", "tokens/s", {{"<b>", 100, 20, 19, 22, true}}, true});
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, HasSubstr("class=\"plot-reference\""));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(ScatterPlot, NarrowPlotsStayInTheirWidth) {
  const ScatterPlot plot{"x", "y", {{"first", 10, 1, 1, 1, true}, {"second", 700, 2, 2, 2, false}}, true};
  const std::string svg = scatter_svg(plot, 300);
  EXPECT_THAT(svg, HasSubstr("viewBox=\"0 0 300 330\""));
  EXPECT_THAT(svg, HasSubstr("x2=\"284\""));  // the axis ends 16 before the edge
}

TEST(ScatterPlot, OnePointWithoutErrorIsDrawn) {
  const std::string svg = scatter_svg({"x", "y", {{"only", 0, 0, 0, 0, false}}, false});
  EXPECT_THAT(svg, HasSubstr("<circle"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace nibble
