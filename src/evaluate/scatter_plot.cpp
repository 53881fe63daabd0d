#include "evaluate/scatter_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/html.h"

namespace nibble {

namespace {

constexpr double kHeight = 330;
constexpr double kPointRadius = 5, kBarHalf = 5, kLabelHeight = 15;
constexpr double kCharacterWidth = 7.0;  // of 13 px sans-serif text, on the wide side

/// Maps values to the plot's units.
struct Axis {
  std::vector<double> ticks;
  double from, to;  // in plot units, of the first and the last tick
  double at(double value) const {
    return from + (value - ticks.front()) / (ticks.back() - ticks.front()) * (to - from);
  }
};

std::string tick_text(double value, double step) {
  const int digits = step >= 1 ? 0 : int(std::ceil(-std::log10(step) - 1e-9));
  return fmt::format("{:.{}f}", value, digits);
}

size_t characters(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string draw_axes(const ScatterPlot& plot, const Axis& x, const Axis& y, const Box& frame) {
  std::string svg;
  for (const double tick : y.ticks) {
    svg += fmt::format("<line class=\"plot-grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                       frame.left, frame.right, y.at(tick), y.at(tick));
    svg += fmt::format("<text class=\"plot-text\" text-anchor=\"end\" x=\"{}\" y=\"{:.1f}\">{}</text>",
                       frame.left - 8, y.at(tick) + 4, tick_text(tick, y.ticks[1] - y.ticks[0]));
  }
  for (const double tick : x.ticks) {
    svg += fmt::format("<line class=\"plot-axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>",
                       x.at(tick), frame.bottom, frame.bottom + 4);
    svg += fmt::format("<text class=\"plot-text\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{}\">{}</text>",
                       x.at(tick), frame.bottom + 18, tick_text(tick, x.ticks[1] - x.ticks[0]));
  }
  svg += fmt::format("<line class=\"plot-axis\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", frame.left,
                     frame.right, frame.bottom, frame.bottom);
  svg += fmt::format("<text class=\"plot-text\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>", frame.right,
                     frame.bottom + 38, escape_html(plot.x_title));
  svg += fmt::format("<text class=\"plot-text\" x=\"4\" y=\"14\">{}</text>", escape_html(plot.y_title));
  return svg;
}

std::string draw_point(const PlotPoint& point, double x, double y, double low, double high) {
  std::string svg = "<g>";
  if (low - high > 1) {
    svg += fmt::format(
        "<path class=\"plot-bar\" d=\"M{0:.1f} {1:.1f}V{2:.1f}M{3:.1f} {1:.1f}H{4:.1f}M{3:.1f} "
        "{2:.1f}H{4:.1f}\"/>",
        x, low, high, x - kBarHalf, x + kBarHalf);
  }
  svg += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>",
                     point.reference ? "plot-reference" : "plot-point", x, y, kPointRadius);
  return svg + fmt::format("<title>{}</title></g>", escape_html(point.label));
}

std::string draw_label(const std::string& label, const Box& box, double x, double y) {
  std::string svg;
  // From the point to the nearest place of the label, when that is not at its side.
  const double near_x = std::clamp(x, box.left, box.right), near_y = std::clamp(y, box.top, box.bottom);
  if (std::hypot(near_x - x, near_y - y) > 2.5 * kPointRadius) {
    svg +=
        fmt::format("<line class=\"plot-leader\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
                    x, y, near_x, near_y);
  }
  return svg +
         fmt::format("<text class=\"plot-label\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
                     (box.left + box.right) / 2, box.bottom - 3.5, escape_html(label));
}

std::string draw_curve(const ScatterPlot& plot, const Axis& x, const Axis& y) {
  std::string path;
  for (const auto& [at_x, at_y] : plot.curve) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(at_x), y.at(at_y));
  }
  return path.empty() ? path : "<path class=\"plot-curve\" d=\"" + path + "\"/>";
}

double outside(const Box& box, const Box& frame) {
  return std::max(0.0, frame.left - box.left) + std::max(0.0, box.right - frame.right) +
         std::max(0.0, frame.top - box.top) + std::max(0.0, box.bottom - frame.bottom);
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low)) high = low + 1;
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

double overlap_area(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

std::vector<Box> place_labels(const std::vector<double>& widths, double height, const std::vector<double>& xs,
                              const std::vector<double>& ys, const std::vector<Box>& obstacles,
                              const Box& frame) {
  constexpr int kDirections = 16;
  std::vector<Box> placed;
  for (size_t i = 0; i < widths.size(); ++i) {
    Box best{};
    double best_cost = INFINITY;
    for (double distance = 8; distance < 120; distance += 6) {
      for (int direction = 0; direction < kDirections; ++direction) {
        // Begins at the right of the point and goes around; of equal places the first is taken.
        const double angle = 2 * M_PI * direction / kDirections;
        const double x = xs[i] + std::cos(angle) * (distance + widths[i] / 2);
        const double y = ys[i] - std::sin(angle) * (distance + height / 2);
        const Box box{x - widths[i] / 2, y - height / 2, x + widths[i] / 2, y + height / 2};
        double cost = distance + 1000 * outside(box, frame);
        for (const Box& other : placed) cost += 100 * overlap_area(box, other);
        for (const Box& obstacle : obstacles) cost += 20 * overlap_area(box, obstacle);
        if (cost < best_cost - 1e-9) best = box, best_cost = cost;
      }
    }
    placed.push_back(best);
  }
  return placed;
}

std::string scatter_svg(const ScatterPlot& plot, double width) {
  const Box frame = {48, 30, width - 16, 284};  // where the points are
  double x_low = INFINITY, x_high = 0, low = INFINITY, high = -INFINITY;
  for (const PlotPoint& p : plot.points) {
    x_low = std::min(x_low, p.x);
    x_high = std::max(x_high, p.x);
    low = std::min(low, p.low);
    high = std::max(high, p.high);
  }
  for (const auto& [at_x, at_y] : plot.curve) {
    x_low = std::min(x_low, at_x);
    x_high = std::max(x_high, at_x);
    high = std::max(high, at_y);
  }
  const double margin = plot.y_from_zero ? 0 : 0.1 * (high - low);
  const Axis x{round_ticks(plot.x_from_zero ? 0 : x_low * 0.98, x_high * 1.02, 5), frame.left, frame.right};
  const Axis y{round_ticks(plot.y_from_zero ? 0 : std::max(0.0, low - margin), high + margin, 5),
               frame.bottom, frame.top};

  std::vector<double> widths, xs, ys;
  std::vector<Box> obstacles;
  std::string points, labels;
  for (const PlotPoint& p : plot.points) {
    const double at_x = x.at(p.x), at_y = y.at(p.y), bottom = y.at(p.low), top = y.at(p.high);
    xs.push_back(at_x);
    ys.push_back(at_y);
    widths.push_back(kCharacterWidth * double(characters(p.label)) + 4);
    obstacles.push_back({at_x - kPointRadius, at_y - kPointRadius, at_x + kPointRadius, at_y + kPointRadius});
    obstacles.push_back({at_x - kBarHalf, top, at_x + kBarHalf, bottom});
    points += draw_point(p, at_x, at_y, bottom, top);
  }
  const auto boxes = place_labels(widths, kLabelHeight, xs, ys, obstacles, frame);
  for (size_t i = 0; i < boxes.size(); ++i)
    labels += draw_label(plot.points[i].label, boxes[i], xs[i], ys[i]);
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} against {}\">{}{}{}</svg>",
                     width, kHeight, escape_html(plot.y_title), escape_html(plot.x_title),
                     draw_axes(plot, x, y, frame), draw_curve(plot, x, y) + points, labels);
}

}  // namespace nibble
