#include "evaluate/report_html.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/html.h"
#include "evaluate/html_page.h"
#include "evaluate/report_table.h"
#include "evaluate/scatter_plot.h"

namespace nibble {

namespace {

/// Memory in the unit that suits the largest model.
struct MemoryUnit {
  explicit MemoryUnit(const Comparison& comparison) {
    uint64_t most = 0;
    for (const ModelFigures& m : comparison.models) most = std::max(most, m.peak_rss_bytes);
    if (most >= 2'000'000'000) bytes = 1e9, name = "GB";
  }
  double bytes = 1e6;
  const char* name = "MB";
};

std::string plots(const Comparison& comparison) {
  const MemoryUnit unit(comparison);
  const std::string memory = fmt::format("memory, {}", unit.name);
  ScatterPlot accuracy{memory, "ARC, % right", {}, false}, decode{memory, "decode, tokens/s", {}, true};
  for (const ModelFigures& m : comparison.models) {
    const bool reference = &m == &comparison.models.front();
    const double x = double(m.peak_rss_bytes) / unit.bytes;
    if (!m.accuracy.empty()) {
      const AccuracyFigure& all = m.accuracy.front();
      const Interval interval =
          wilson_interval(uint64_t(std::count(m.correct.begin(), m.correct.end(), true)), all.n);
      accuracy.points.push_back(
          {m.name, x, 100 * all.acc.mean, 100 * interval.low, 100 * interval.high, reference});
    }
    if (m.decode.median > 0) {
      decode.points.push_back({m.name, x, m.decode.median, m.decode.slowest, m.decode.fastest, reference});
    }
  }
  const std::string first = comparison.models.front().name;
  return "<div class=\"plots\">\n" +
         html_figure(accuracy,
                     fmt::format("Accuracy against memory. Bars: 95% interval of each model alone (Wilson); "
                                 "the models were asked the same questions, so that the table's paired "
                                 "differences tell more. Ring: {}.",
                                 first)) +
         html_figure(
             decode,
             fmt::format("Decoding speed against memory. Bars: slowest and fastest of {} runs. Ring: {}.",
                         comparison.run.repeat, first)) +
         "</div>\n";
}

std::string facts(const Comparison& comparison) {
  std::string out = "<dl>\n";
  for (const auto& [name, value] : run_facts(comparison)) {
    const std::string text = escape_html(value);
    out +=
        fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, name == "Command" ? "<code>" + text + "</code>" : text);
  }
  for (const ModelFigures& m : comparison.models) {
    out += fmt::format("<dt>{}</dt><dd><code>{}</code></dd>\n", escape_html(m.name), escape_html(m.path));
  }
  return out + "</dl>\n";
}

}  // namespace

std::string html_report(const Comparison& comparison) {
  const RunInfo& run = comparison.run;
  std::string out =
      html_heading(report_title(comparison), fmt::format("{}, {}, {} thread{}. {}", run.cpu, run.isa,
                                                         run.threads, run.threads == 1 ? "" : "s", run.date));
  out += html_list(findings(comparison), "findings") + html_list(failures(comparison), "failures");
  out += "<h2>Size, memory, accuracy, speed</h2>\n" + html_table(summary_table(comparison));
  out += html_list(legend(comparison), "legend");
  out += "<h2>Against memory</h2>\n" + plots(comparison);
  if (const Table table = accuracy_table(comparison); !table.rows.empty()) {
    out += "<h2>Accuracy by set</h2>\n" + html_table(table);
  }
  out += "<h2>Speed and the machine’s roofs</h2>\n" + html_table(speed_table(comparison));
  out += "<h2>What was run</h2>\n" + facts(comparison);
  return html_page(report_title(comparison), out);
}

}  // namespace nibble
