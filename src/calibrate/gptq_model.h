#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "quantize/gptq.h"

namespace nibble {

struct GptqModelOptions {
  GptqOptions rounding;
  /// Matrices that are rounded to nearest, their errors weighted by the second moments of their inputs.
  std::set<std::string> nearest;
};

/// Quantizes a model's matrices with GPTQ, layer by layer: a layer's Hessians are those of its inputs behind
/// the layers that are quantized already, so that later layers make good what earlier ones lost (Frantar et
/// al. 2022, section 4). Holds the calibration's hidden states and one layer.
class GptqModel {
 public:
  GptqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
            const GptqModelOptions& options, ThreadPool& pool);

  /// The matrices of the next layer by name, rows in the source's order. One that has its type already, or
  /// whose type takes no codes (has_grid), is not among them.
  LayerTensors next_layer();
  /// The output matrix, after all layers; empty where next_layer() would leave it out.
  TensorBytes output();

  /// What is held between layers, for a run that goes on later, and where it goes on.
  std::vector<CalibrationRun*> runs() { return {&run_}; }
  void go_on_at(uint32_t layer) { layer_ = layer; }

 private:
  /// Quantizes the matrices with one input.
  void quantize(const std::vector<const TensorView*>& tensors, const InputStatistics& input,
                LayerTensors& result);
  TensorBytes quantize(const TensorView& tensor, const GptqFactor& factor);

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  GptqModelOptions options_;
  ThreadPool& pool_;
  CalibrationRun run_;
  uint32_t layer_ = 0;
};

}  // namespace nibble
