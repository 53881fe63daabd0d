#pragma once

#include <string>
#include <utility>
#include <vector>

namespace nibble {

struct PlotPoint {
  std::string label;
  double x, y;
  double low, high;        ///< of the error bar
  bool reference = false;  ///< what the others are compared with
};

struct ScatterPlot {
  std::string x_title, y_title;
  std::vector<PlotPoint> points;
  bool y_from_zero = false;  ///< otherwise the axis covers the points and their error bars
  bool x_from_zero = true;
  std::vector<std::pair<double, double>> curve;  ///< (x, y) ascending in x; the axes cover it
};

/// An inline SVG element that scales to its column. Colours come from CSS classes of the page: plot-grid,
/// plot-axis, plot-text, plot-point, plot-reference, plot-bar, plot-label, plot-leader, plot-curve. Labels
/// are placed where they cover neither each other nor points and error bars, as far as there is room. `width`
/// in CSS pixels is where text has its own size.
std::string scatter_svg(const ScatterPlot& plot, double width = 480);

/// Ticks at round steps from at or below `low` to at or above `high`, about `count` of them.
std::vector<double> round_ticks(double low, double high, int count);

/// A box in the plot's units.
struct Box {
  double left, top, right, bottom;
};
double overlap_area(const Box& a, const Box& b);

/// Where the labels of points go: label i is `widths[i]` wide, its point at (xs[i], ys[i]). Keeps off the
/// obstacles and inside the frame where it can.
std::vector<Box> place_labels(const std::vector<double>& widths, double height, const std::vector<double>& xs,
                              const std::vector<double>& ys, const std::vector<Box>& obstacles,
                              const Box& frame);

}  // namespace nibble
