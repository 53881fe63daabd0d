#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/affinity.h"
#include "evaluate/arc.h"
#include "evaluate/bench.h"

/// Each model of a comparison is measured in a process of its own, so that memory and processor time are
/// its own: this program again, with a command that help does not list.
namespace nibble {

struct CompareJob {
  std::string model, arc;  ///< arc empty: where find_arc looks
  uint64_t limit = 0, seed = 0;
  std::string arc_style = "continuation";
  BenchOptions bench;
  int threads = 0;
  Affinity affinity = Affinity::none;
  bool quiet = false;
};

/// Adds the hidden command that measures one model and writes its figures, or why there are none, as JSON.
void add_compare_worker(CLI::App& app);

/// Runs the job in a new process and returns what it wrote: {"model", ...figures} or {"model", "error"}.
nlohmann::ordered_json run_in_process(const CompareJob& job);

}  // namespace nibble
