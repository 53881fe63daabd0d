#pragma once

#include <string>
#include <vector>

#include "evaluate/comparison.h"

namespace nibble {

struct Table {
  struct Column {
    std::string title;
    bool number = true;  ///< set to the right
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  ///< a cell per column
};

/// Size, CPU, memory, accuracy and speed of each model: the paper's Table 1.
Table summary_table(const Comparison& comparison);
/// Accuracy on each set of questions, by both of ARC's rules.
Table accuracy_table(const Comparison& comparison);
/// Loading, and speed beside the machine's roofs.
Table speed_table(const Comparison& comparison);

/// What the columns of summary_table mean, a line each.
std::vector<std::string> legend(const Comparison& comparison);
/// "SmolLM2-135M-Instruct: 4 models compared".
std::string report_title(const Comparison& comparison);
/// What was run, where and how: pairs of a name and a value.
std::vector<std::pair<std::string, std::string>> run_facts(const Comparison& comparison);
/// Why models have no figures, a line each.
std::vector<std::string> failures(const Comparison& comparison);

std::string terminal_table(const Table& table);
std::string markdown_table(const Table& table);

/// The whole report for a terminal, and as Markdown.
std::string terminal_report(const Comparison& comparison);
std::string markdown_report(const Comparison& comparison);

}  // namespace nibble
