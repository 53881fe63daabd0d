#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "quantize/gptq.h"

namespace nibble {

/// Quantizes a model's matrices with GPTQ, layer by layer: a layer's Hessians are those of its inputs behind
/// the layers that are quantized already, so that later layers make good what earlier ones lost (Frantar et
/// al. 2022, section 4). Holds the calibration's hidden states and one layer.
class GptqModel {
 public:
  GptqModel(const Checkpoint& checkpoint, const CalibrationData& data, TypeOf type_of,
            const GptqOptions& options, ThreadPool& pool);

  /// The matrices of the next layer by name, rows in the source's order. One that has its type already, or
  /// whose type takes no codes (has_grid), is not among them.
  LayerTensors next_layer();
  /// The output matrix, after all layers; empty where next_layer() would leave it out.
  TensorBytes output();

 private:
  /// Quantizes the matrices with one input.
  void quantize(const std::vector<const TensorView*>& tensors, const InputStatistics& input,
                LayerTensors& result);
  TensorBytes quantize(const TensorView& tensor, const GptqFactor& factor);

  const Checkpoint& checkpoint_;
  TypeOf type_of_;
  GptqOptions options_;
  ThreadPool& pool_;
  CalibrationRun run_;
  uint32_t layer_ = 0;
};

}  // namespace nibble
