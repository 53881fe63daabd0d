#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "model/checkpoint.h"

namespace nibble {

/// --calibration, --calibration-sequences, --calibration-tokens and --calibration-seed.
struct CalibrationFlags {
  CalibrationOptions options;
  uint64_t seed = 1;
  CLI::App* command = nullptr;

  void add_to(CLI::App& app);
  /// True when one of them was given.
  bool given() const;
  /// Reads or writes the text. Throws Error for a model without a tokenizer.
  CalibrationData load(const std::shared_ptr<const Checkpoint>& checkpoint, ThreadPool& pool) const;
};

}  // namespace nibble
