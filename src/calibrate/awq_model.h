#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "quantize/awq.h"

namespace nibble {

/// Quantizes a model's matrices with AWQ, layer by layer. The scales of each input are folded into what makes
/// it: those of attn_norm and ffn_norm into the norm's weights, those of attn_output into the rows (and the
/// bias) of attn_v, those of ffn_down into the rows of ffn_up. Query heads that share a key and value head
/// share their scales. Statistics are those of the original model. Holds the calibration's hidden states, and
/// one layer with its Hessians.
class AwqModel {
 public:
  AwqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
           const AwqOptions& options, ThreadPool& pool);

  /// The tensors of the next layer that change, by name: all matrices, the norms, and the bias of attn_v;
  /// rows in the source's order.
  LayerTensors next_layer();
  /// The output matrix, after all layers: not scaled, rounded with its input's second moments. Empty when it
  /// has its type already, or one that takes no codes.
  TensorBytes output();

  /// What is held between layers, for a run that goes on later, and where it goes on.
  std::vector<CalibrationRun*> runs() { return {&run_}; }
  void go_on_at(uint32_t layer) { layer_ = layer; }

 private:
  /// What becomes of the matrices with one input: s by its channels, and the weights of the errors of the
  /// scaled columns.
  struct Input {
    std::vector<float> scales, importance;
  };

  const TensorView& tensor(const std::string& part) const;
  Input search(size_t input, const InputStatistics& statistics) const;
  std::vector<float> magnitudes(size_t input, const InputStatistics& statistics) const;
  AwqMatrix sample(const TensorView& matrix) const;
  /// Divides by the scales what makes an input.
  std::vector<float> row_scales(const std::string& part, const std::vector<Input>& inputs) const;
  TensorBytes fold_vector(const TensorView& vector, const std::vector<float>& scales) const;
  /// Rows divided by row_scales (none: by 1), columns multiplied by the input's scales, rounded to nearest.
  TensorBytes fold_matrix(const TensorView& matrix, const Input& input,
                          const std::vector<float>& row_scales) const;

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  AwqOptions options_;
  ThreadPool& pool_;
  CalibrationRun run_;
  uint32_t layer_ = 0;
};

}  // namespace nibble
