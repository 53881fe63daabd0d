#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "calibrate/recipe_file.h"
#include "calibrate/tensor_losses.h"
#include "model/checkpoint.h"
#include "optimize/candidates.h"
#include "optimize/search.h"

namespace nibble {

/// What `optimize` finds out about a model before it chooses.
struct Analysis {
  std::vector<TensorLosses> tensors;  ///< every matrix and the ways to write it that no other way betters
  Choices choices;                    ///< the same as numbers: tensors[i].candidates[j] is choices[i][j]

  Recipe recipe(const Plan& plan) const;
};

/// An analysis and what it was calibrated with.
struct SavedAnalysis {
  Analysis analysis;
  RecipeFile::Calibration calibration;
};

/// One pass for the model's sensitivity, one for each format's error, and a trial of each format's kernel.
/// A quarter of the sequences, one at least, is held out: methods do not see it, errors are measured on it.
/// The state holds the calibration data, and what an interrupted run found out. Throws Error when there are
/// fewer than two sequences.
Analysis analyse(const Checkpoint& checkpoint, RunState& state, const CandidateOptions& options,
                 uint64_t seed, ThreadPool& pool);

}  // namespace nibble
