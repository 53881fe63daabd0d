#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/recipe_file.h"
#include "optimize/analysis.h"
#include "optimize/measure.h"

namespace nibble {

/// What the user asks of a model. No bound at all means that its perplexity stays within 1%.
struct OptimizeRequest {
  std::filesystem::path model, output;
  LossMetric metric = LossMetric::perplexity;
  std::optional<double> max_loss;                ///< of the metric, with 95% confidence
  std::optional<uint64_t> max_size, max_memory;  ///< bytes of the file; of the process with the context full
  std::optional<double> min_speed;               ///< tokens per second, decode
  CandidateOptions candidates;
  RecipeFile::Calibration calibration;  ///< where the data is from, for the recipe
  MeasureOptions measure;
  std::optional<SavedAnalysis> analysis;               ///< of an earlier run: none is made
  std::optional<std::filesystem::path> save_analysis;  ///< written as soon as it is there
  int most_steps = 5;                                  ///< models that are built and measured

  bool bounded() const { return max_loss || max_size || max_memory || min_speed; }
};

/// A model that was built and measured.
struct OptimizeStep {
  Plan plan;
  Measured measured;
  std::string broken;  ///< the bound that it breaks; empty: none
};

struct OptimizeResult {
  Analysis analysis;
  std::vector<Plan> front;  ///< predicted, by size
  std::vector<OptimizeStep> steps;
  size_t picked = 0;  ///< of the steps
  RecipeFile recipe;  ///< of the one that was picked
};

/// Chooses the types and methods of a model's matrices within the bounds, writes it to `output` with its
/// recipe and its measured figures in the metadata, and tells `say` what it does, a line at a time. What a
/// plan loses is predicted first (calibrate/tensor_losses.h), then measured on `held_out`: where the
/// measurement breaks a bound, the next plan is taken, and what was measured corrects the predictions. Throws
/// Error where nothing keeps to the bounds, with the one in the way and the nearest that works; `output`
/// appears only when complete. `state` holds the calibration data, and what an interrupted run did already
/// (optimize/optimize_state.h).
OptimizeResult optimize_model(const Checkpoint& checkpoint, RunState& state, HeldOut held_out,
                              const OptimizeRequest& request, ThreadPool& pool,
                              const std::function<void(const std::string&)>& say);

}  // namespace nibble
