#pragma once

#include <string>
#include <vector>

#include "evaluate/report_table.h"
#include "evaluate/scatter_plot.h"

/// The parts of a report as one HTML page that needs nothing else. Light and dark as the reader's system
/// asks, and readable on a phone. Texts are plain: what HTML would take for its own is escaped here.
namespace nibble {

/// A whole page around its body.
std::string html_page(const std::string& title, const std::string& body);
/// The title, and a line under it.
std::string html_heading(const std::string& title, const std::string& under);
/// Nothing for no lines. `css_class`: findings, failures, legend.
std::string html_list(const std::vector<std::string>& lines, const std::string& css_class);
std::string html_table(const Table& table);
/// Nothing for a plot without points.
std::string html_figure(const ScatterPlot& plot, const std::string& caption);

}  // namespace nibble
