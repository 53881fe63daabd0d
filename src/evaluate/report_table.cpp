#include "evaluate/report_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace nibble {

namespace {

constexpr const char* kNothing = "—";

std::string accuracy_text(const Estimate& e) {
  return fmt::format("{:.1f} ± {:.1f}", 100 * e.mean, 100 * e.standard_error);
}

std::string difference_text(const ModelFigures& model) {
  if (!model.difference) return kNothing;
  const PairedDifference& d = *model.difference;
  return fmt::format("{:+.1f} ± {:.1f} ({})", 100 * d.difference.mean, 100 * d.difference.standard_error,
                     short_p(d.p));
}

std::string speed_text(const SpeedFigure& speed) {
  return speed.median > 0 ? fmt::format("{:.1f}", speed.median) : kNothing;
}

std::string roof_text(const SpeedFigure& speed) {
  return speed.median > 0 ? fmt::format("{:.0f}%", 100 * speed.of_roof) : kNothing;
}

size_t width_of(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return right ? space + text : text + space;
}

std::string escape_markdown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '`' || c == '<' || c == '[' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// A row with a dash for all that a model without figures can't say.
std::vector<std::string> failed_row(const ModelFigures& model, size_t columns) {
  std::vector<std::string> row(columns, kNothing);
  row[0] = model.name;
  return row;
}

}  // namespace

Table summary_table(const Comparison& comparison) {
  Table table{{{"model", false},
               {"params"},
               {"bits/w"},
               {"file"},
               {"CPU"},
               {"memory"},
               {"ARC %"},
               {"vs " + comparison.models.front().name + " (p)"},
               {"decode"},
               {"prefill"}},
              {}};
  for (const ModelFigures& m : comparison.models) {
    if (!m.error.empty()) {
      table.rows.push_back(failed_row(m, table.columns.size()));
      continue;
    }
    table.rows.push_back({m.name, short_count(m.parameters), fmt::format("{:.2f}", m.bits_per_weight),
                          short_bytes(m.file_bytes), fmt::format("{:.0f}%", m.decode.cpu_percent),
                          short_bytes(m.peak_rss_bytes),
                          m.accuracy.empty() ? kNothing : accuracy_text(m.accuracy.front().acc),
                          difference_text(m), speed_text(m.decode), speed_text(m.prefill)});
  }
  return table;
}

Table accuracy_table(const Comparison& comparison) {
  Table table{{{"model", false}}, {}};
  for (const ModelFigures& m : comparison.models) {
    if (m.accuracy.empty()) continue;
    std::vector<std::string> row = {m.name};
    for (const AccuracyFigure& a : m.accuracy) {
      if (m.accuracy.size() == 2 && a.set.empty()) continue;  // the same as its only set
      if (table.rows.empty()) {
        const std::string set = fmt::format("{} ({})", a.set.empty() ? "together" : a.set, a.n);
        table.columns.push_back({set + " acc %"});
        table.columns.push_back({"acc_norm %"});
      }
      row.push_back(accuracy_text(a.acc));
      row.push_back(accuracy_text(a.acc_norm));
    }
    table.rows.push_back(row);
  }
  return table;
}

Table speed_table(const Comparison& comparison) {
  Table table{{{"model", false},
               {"load s"},
               {"decode"},
               {"of roof"},
               {"prefill"},
               {"of roof"},
               {"read GB/s"},
               {"int8 Gop/s"}},
              {}};
  const auto range = [](const SpeedFigure& s) {
    return s.median > 0 ? fmt::format("{:.1f} ({:.1f}–{:.1f})", s.median, s.slowest, s.fastest) : kNothing;
  };
  for (const ModelFigures& m : comparison.models) {
    if (!m.error.empty()) continue;
    table.rows.push_back({m.name, fmt::format("{:.2f}", m.load_s), range(m.decode), roof_text(m.decode),
                          range(m.prefill), roof_text(m.prefill), fmt::format("{:.1f}", m.read_gb_s),
                          fmt::format("{:.0f}", m.int8_gops)});
  }
  return table;
}

std::vector<std::string> legend(const Comparison& comparison) {
  const RunInfo& run = comparison.run;
  std::vector<std::string> lines = {
      "bits/w: bits per weight, scales included",
      "CPU: processor time over wall time while decoding; 100% is one core at work",
      "memory: the most that was resident while the model ran alone in its process",
      fmt::format(
          "decode, prefill: tokens per second, median of {}; {} tokens one after the other, {} at once",
          run.repeat, run.generate, run.prompt)};
  if (run.questions.empty()) return lines;
  lines.insert(
      lines.begin() + 3,
      {fmt::format("ARC: questions answered right ± standard error, by {}",
                   run.arc_style == "letter" ? "the letter" : "the choice's log-probability (acc)"),
       fmt::format("vs {}: points ± standard error of the paired difference, p of the exact McNemar test",
                   comparison.models.front().name)});
  return lines;
}

std::string report_title(const Comparison& comparison) {
  const size_t n = comparison.models.size();
  const std::string family = comparison.family.empty() ? "nibble" : comparison.family;
  return fmt::format("{}: {} model{} {}", family, n, n == 1 ? "" : "s", n == 1 ? "measured" : "compared");
}

std::vector<std::pair<std::string, std::string>> run_facts(const Comparison& comparison) {
  const RunInfo& run = comparison.run;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"Machine",
       fmt::format("{}, {} core{}", run.cpu, run.physical_cores, run.physical_cores == 1 ? "" : "s")},
      {"Kernels", fmt::format("{}, {} thread{}", run.isa, run.threads, run.threads == 1 ? "" : "s")},
      {"Questions", run.questions.empty() ? "none asked" : run.questions},
      {"Speed", fmt::format("prefill of {} tokens, decode of {}, median of {} runs", run.prompt, run.generate,
                            run.repeat)},
      {"Date", run.date},
      {"nibble", run.version},
      {"Command", run.command}};
  if (!run.note.empty()) facts.emplace_back("Note", run.note);
  return facts;
}

std::vector<std::string> failures(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const ModelFigures& m : comparison.models) {
    if (!m.error.empty()) lines.push_back(fmt::format("{} has no figures: {}", m.name, m.error));
    if (const auto skipped = m.source.value("arc_skipped", std::string()); !skipped.empty()) {
      lines.push_back(fmt::format("{} was asked no questions: {}", m.name, skipped));
    }
  }
  return lines;
}

std::string terminal_table(const Table& table) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    widths.push_back(width_of(table.columns[c].title));
    for (const auto& row : table.rows) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string out;
  const auto line = [&](auto cell) {
    std::string text;
    for (size_t c = 0; c < widths.size(); ++c) {
      text += (c > 0 ? "  " : "") + padded(cell(c), widths[c], table.columns[c].number);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](size_t c) { return table.columns[c].title; });
  for (const auto& row : table.rows) line([&](size_t c) { return row[c]; });
  return out;
}

std::string markdown_table(const Table& table) {
  std::string out = "|", rule = "|";
  for (const auto& column : table.columns) {
    out += " " + escape_markdown(column.title) + " |";
    rule += column.number ? " ---: |" : " --- |";
  }
  out += "\n" + rule + "\n";
  for (const auto& row : table.rows) {
    out += "|";
    for (const auto& cell : row) out += " " + escape_markdown(cell) + " |";
    out += "\n";
  }
  return out;
}

std::string terminal_report(const Comparison& comparison) {
  const RunInfo& run = comparison.run;
  std::string out = fmt::format("{}\n{}, {}, {} thread{}\n", report_title(comparison), run.cpu, run.isa,
                                run.threads, run.threads == 1 ? "" : "s");
  if (!run.questions.empty()) out += "ARC: " + run.questions + "\n";
  out += "\n" + terminal_table(summary_table(comparison)) + "\n";
  for (const std::string& line : legend(comparison)) out += "  " + line + "\n";
  if (!run.note.empty()) out += "  note: " + run.note + "\n";
  for (const auto& lines : {findings(comparison), failures(comparison)}) {
    if (!lines.empty()) out += "\n";
    for (const std::string& line : lines) out += line + "\n";
  }
  return out;
}

std::string markdown_report(const Comparison& comparison) {
  std::string out = "# " + escape_markdown(report_title(comparison)) + "\n\n";
  for (const std::string& line : findings(comparison)) out += "- " + escape_markdown(line) + "\n";
  for (const std::string& line : failures(comparison)) out += "- " + escape_markdown(line) + "\n";
  out += "\n" + markdown_table(summary_table(comparison)) + "\n";
  for (const std::string& line : legend(comparison)) out += "- " + escape_markdown(line) + "\n";
  if (const Table table = accuracy_table(comparison); !table.rows.empty()) {
    out += "\n## Accuracy by set\n\n" + markdown_table(table);
  }
  out += "\n## Speed\n\n" + markdown_table(speed_table(comparison)) + "\n## What was run\n\n";
  for (const auto& [name, value] : run_facts(comparison)) {
    out += fmt::format("- {}: {}\n", name, name == "Command" ? "`" + value + "`" : escape_markdown(value));
  }
  return out;
}

}  // namespace nibble
