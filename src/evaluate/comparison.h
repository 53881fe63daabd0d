#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/statistics.h"

/// Several models measured alike: the paper's Table 1, as data.
namespace nibble {

/// Tokens per second over repeated runs.
struct SpeedFigure {
  double median = 0, slowest = 0, fastest = 0;
  double of_roof = 0;      ///< share of what the machine's roofs allow
  double cpu_percent = 0;  ///< processor time over wall time; 100 is one core at work
};

struct AccuracyFigure {
  std::string set;  ///< empty: all sets together
  uint64_t n = 0;
  Estimate acc, acc_norm;
};

/// What one process found out about one model.
struct ModelFigures {
  std::string path;
  std::string name;   ///< short, unique among the models of a comparison
  std::string error;  ///< why there are no figures; empty when there are
  uint64_t parameters = 0, file_bytes = 0, peak_rss_bytes = 0;
  double bits_per_weight = 0, load_s = 0;
  double read_gb_s = 0, int8_gops = 0;  ///< the machine's roofs when this model was measured
  SpeedFigure prefill, decode;
  std::vector<AccuracyFigure> accuracy;        ///< together, then each set; empty without a tokenizer
  std::vector<bool> correct;                   ///< acc, question by question
  std::optional<PairedDifference> difference;  ///< acc minus the first model's
  nlohmann::ordered_json source;               ///< all that the process reported
};

/// Everything that is needed to run the comparison again.
struct RunInfo {
  std::string version, date, cpu, isa, command, note;
  int threads = 0, physical_cores = 0;
  uint32_t prompt = 0, generate = 0, repeat = 0;
  uint64_t seed = 0;
  std::string questions;  ///< "100 of 3,546 questions, seed 0, of ../shared/data"
  std::string arc_style;
};

struct Comparison {
  RunInfo run;
  std::string family;  ///< what the names of all models begin with, left out of them; may be empty
  std::vector<ModelFigures> models;
};

/// Reads what a process reported.
ModelFigures figures_from_json(const nlohmann::ordered_json& report);

/// Shortens the names to what tells the models apart, and compares each with the first, pair by pair.
void complete_comparison(Comparison& comparison);

/// What the figures say, one sentence per model after the first, and which of them to take.
std::vector<std::string> findings(const Comparison& comparison);

nlohmann::ordered_json to_json(const Comparison& comparison);

/// "135 M", "6.74 B"; "12.5 kB", "71.4 MB", "4.11 GB" in powers of ten; "0.031", "< 0.001".
std::string short_count(uint64_t n);
std::string short_bytes(uint64_t bytes);
std::string short_p(double p);

}  // namespace nibble
