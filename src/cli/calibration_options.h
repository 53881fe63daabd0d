#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "calibrate/run_state.h"
#include "model/checkpoint.h"

namespace nibble {

/// --calibration, --calibration-sequences, --calibration-tokens and --calibration-seed; --no-resume.
struct CalibrationFlags {
  CalibrationOptions options;
  uint64_t seed = 1;
  bool no_resume = false;
  CLI::App* command = nullptr;

  void add_to(CLI::App& app);
  /// True when one of them was given.
  bool given() const;
  /// The state of a run that writes `output`, with its calibration: that of an interrupted run of the same
  /// job, or one that is read or written now. `job` is what the command adds to the model and the
  /// calibration. Throws Error for a model without a tokenizer. From now on Ctrl-C says that the run can be
  /// resumed.
  std::unique_ptr<RunState> begin(const std::string& output, const RunState::Job& job,
                                  const std::shared_ptr<const Checkpoint>& checkpoint,
                                  ThreadPool& pool) const;
  /// Reads or writes the text, and keeps no state. Throws Error for a model without a tokenizer.
  CalibrationData load(const std::shared_ptr<const Checkpoint>& checkpoint, ThreadPool& pool) const;
};

}  // namespace nibble
