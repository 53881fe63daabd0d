#include "evaluate/html_page.h"

#include <fmt/format.h>

#include "base/html.h"

namespace nibble {

namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --page: #fbfaf8; --card: #fff; --ink: #1d2024; --soft: #5c636d;
  --line: #e3e1dc; --accent: #0b6e8f; --mark: #b4511e; --stripe: #f5f3ef; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2024; --ink: #e8e6e1;
  --soft: #a0a7b0; --line: #32383f; --accent: #5cc1e0; --mark: #f0975f; --stripe: #22272c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
.under { color: var(--soft); margin: 0 0 1.5rem; }
.findings { margin: 0; padding: 1rem 1.25rem 1rem 2.25rem; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: 6px; }
.findings li + li { margin-top: .4rem; }
.failures li { color: var(--mark); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .5rem .8rem; text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; }
tbody tr:nth-child(even) { background: var(--stripe); }
tbody td:first-child { font-weight: 600; }
.legend { color: var(--soft); font-size: .88rem; margin: .75rem 0 0; padding: 0; list-style: none; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 1.25rem; }
figure { margin: 0; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
figcaption { font-size: .88rem; color: var(--soft); margin-top: .25rem; }
svg { display: block; width: 100%; height: auto; } .narrow { display: none; }
.plot-grid { stroke: var(--line); } .plot-axis { stroke: var(--soft); }
.plot-text { fill: var(--soft); font-size: 12px; } .plot-label { fill: var(--ink); font-size: 13px;
  paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.plot-leader { stroke: var(--soft); stroke-width: .75; } .plot-bar { stroke: var(--soft); fill: none; }
.plot-curve { stroke: var(--accent); fill: none; stroke-width: 1.5; opacity: .6; }
.heat td { text-align: center; padding: .2rem .45rem; font-size: .8rem; }
.plot-point { fill: var(--accent); } .plot-reference { fill: var(--card); stroke: var(--mark); stroke-width: 2.5; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .88em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 560px) { main { padding-top: 1.5rem; } h1 { font-size: 1.35rem; } dl { display: block; }
  dd { margin-bottom: .6rem; } figure { padding: .6rem; } .wide { display: none; } .narrow { display: block; }
  table, tbody, tr { display: block; } thead { display: none; } tbody tr { padding: .5rem .9rem; }
  td, td.number { display: flex; justify-content: space-between; gap: 1rem; padding: .15rem 0; white-space: normal;
    text-align: right; } td::before { content: attr(data-title); color: var(--soft); font-weight: 400; text-align: left; }
  tbody td:first-child { font-size: 1.05rem; } tbody td:first-child::before { content: none; } }
)css";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape_html(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n" + body +
         "</main>\n</body>\n</html>\n";
}

std::string html_heading(const std::string& title, const std::string& under) {
  return "<h1>" + escape_html(title) + "</h1>\n<p class=\"under\">" + escape_html(under) + "</p>\n";
}

std::string html_list(const std::vector<std::string>& lines, const std::string& css_class) {
  if (lines.empty()) return {};
  std::string out = "<ul class=\"" + css_class + "\">\n";
  for (const std::string& line : lines) out += "<li>" + escape_html(line) + "</li>\n";
  return out + "</ul>\n";
}

std::string html_table(const Table& table) {
  std::string out = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const auto& column : table.columns) {
    out += fmt::format("<th{}>{}</th>", column.number ? " class=\"number\"" : "", escape_html(column.title));
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& cells : table.rows) {
    out += "<tr>";
    for (size_t c = 0; c < cells.size(); ++c) {
      // On a phone each row is a card, where a figure stands beside its column's title.
      out +=
          fmt::format("<td{} data-title=\"{}\">{}</td>", table.columns[c].number ? " class=\"number\"" : "",
                      escape_html(table.columns[c].title), escape_html(cells[c]));
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string html_figure(const ScatterPlot& plot, const std::string& caption) {
  if (plot.points.empty()) return {};
  constexpr double kPhone = 320;  // text of a wide plot would be too small there
  return "<figure><div class=\"wide\">" + scatter_svg(plot) + "</div><div class=\"narrow\">" +
         scatter_svg(plot, kPhone) + "</div><figcaption>" + escape_html(caption) + "</figcaption></figure>\n";
}

}  // namespace nibble
