#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "calibrate/recipe.h"
#include "quantize/prune.h"

namespace nibble {

enum class PruneMethod { wanda, sparsegpt };

struct PruneOptions {
  PruneMethod method = PruneMethod::wanda;
  Sparsity sparsity;
};

/// Whether a tensor is pruned: the matrices of the layers are, embedding and output matrix are not.
bool is_pruned(const TensorView& tensor);
/// The recipe's type of a tensor after pruning (pruned_dtype). Throws Error naming the tensor when its type
/// has no zero, or rows that the pattern does not divide.
RecipeChoice pruned_choice(const TensorView& tensor, RecipeChoice choice, const Sparsity& sparsity);

/// Prunes a model's layers one by one and rounds what is left to nearest, each column's error weighted with
/// its input's second moment. A layer's inputs are those behind the layers that are pruned already. Holds the
/// calibration's hidden states, one layer with its statistics, and the matrix at hand as float32, for
/// SparseGPT twice.
class PruneModel {
 public:
  PruneModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
             const PruneOptions& options, ThreadPool& pool);

  /// The matrices of the next layer by name, rows in the source's order.
  LayerTensors next_layer();
  /// Empty: the output matrix is not pruned.
  TensorBytes output() { return {}; }

  /// What is held between layers, for a run that goes on later, and where it goes on.
  std::vector<CalibrationRun*> runs() { return {&run_}; }
  void go_on_at(uint32_t layer) { layer_ = layer; }

 private:
  /// Prunes and rounds the matrices with one input.
  void prune(const std::vector<std::string>& parts, const InputStatistics& input, LayerTensors& result);

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  PruneOptions options_;
  ThreadPool& pool_;
  CalibrationRun run_;
  uint32_t layer_ = 0;
};

}  // namespace nibble
