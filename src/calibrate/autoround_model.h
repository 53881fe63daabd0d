#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_gradient.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "quantize/sign_round.h"

namespace nibble {

struct AutoroundOptions {
  uint32_t steps = 50;  ///< of signed gradient descent, for each layer; the paper takes 200
  uint32_t batch = 1;   ///< sequences of a step
};

/// Quantizes a model's matrices with AutoRound (quantize/sign_round.h), layer by layer: what is learned
/// makes the layer's output, behind the layers that are quantized already, that of the original model. Holds
/// the calibration's hidden states twice, the original's and those behind quantized layers, and one layer
/// with its rounding parameters.
class AutoroundModel {
 public:
  AutoroundModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                 const AutoroundOptions& options, ThreadPool& pool);

  /// The matrices of the next layer by name, rows in the source's order. One that has its type already, or
  /// whose type takes no codes (has_grid), is not among them. Throws Error when the loss is not finite.
  LayerTensors next_layer();
  /// The output matrix, after all layers, rounded to nearest with its input's second moments as weights: no
  /// layer's output depends on it. Empty where next_layer() would leave it out.
  TensorBytes output();

  /// What is held between layers, for a run that goes on later, and where it goes on.
  std::vector<CalibrationRun*> runs() { return {&original_, &quantized_}; }
  void go_on_at(uint32_t layer) { layer_ = layer; }

 private:
  /// A layer's matrices: with rounding parameters, or as they are where they stay so.
  struct Matrix {
    std::optional<SignRound> rounding;
    std::vector<float> fixed;
  };
  using Matrices = std::array<Matrix, kLayerMatrices>;
  using LayerBytes = std::array<TensorBytes, kLayerMatrices>;

  const TensorView& tensor_of(size_t matrix) const;
  bool takes_codes(const TensorView& tensor) const { return nibble::takes_codes(tensor, types_(tensor)); }
  Matrices begin_rounding(const LayerStatistics& statistics) const;
  LayerBytes learn(Matrices& matrices, LayerGradient& layer);
  std::vector<double> sequence_errors(LayerGradient& layer);
  std::vector<double> forward(LayerGradient& layer, uint64_t first_sequence);

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  AutoroundOptions options_;
  ThreadPool& pool_;
  CalibrationRun original_, quantized_;
  size_t length_;  ///< of a sequence
  uint32_t layer_ = 0;
  std::vector<float> input_, difference_;  // [batch * length, hidden]: of the step at hand
};

}  // namespace nibble
