#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"

namespace nibble {

/// What becomes of the matrices with one input.
struct ColumnScales {
  std::vector<float> scales;      ///< what each column is multiplied by, and the input's channel divided by
  std::vector<float> importance;  ///< weights of the scaled columns' errors; empty: equal
};

/// A model whose matrices get their columns scaled before they are rounded to nearest, layer by layer; a
/// method (AwqModel, SmoothQuantModel) chooses the scales. Those of each input are folded into what makes it,
/// so that the model computes the same: those of attn_norm and ffn_norm into the norm's weights, those of
/// attn_output into the rows (and the bias) of attn_v, those of ffn_down into the rows of ffn_up. Query heads
/// that share a key and value head share their scales. Statistics are those of the original model. Holds the
/// calibration's hidden states, and one layer with its statistics.
class FoldedModel {
 public:
  virtual ~FoldedModel() = default;

  /// The tensors of the next layer that change, by name: all matrices, the norms, and the bias of attn_v;
  /// rows in the source's order.
  LayerTensors next_layer();

  /// What is held between layers, for a run that goes on later, and where it goes on.
  std::vector<CalibrationRun*> runs() { return {&run_}; }
  void go_on_at(uint32_t layer) { layer_ = layer; }

 protected:
  /// `kind` is what choose() needs to know of the inputs.
  FoldedModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
              InputStatistics::Kind kind, ThreadPool& pool);

  /// The scales of one input (LayerInput) of the layer at hand. Channels with the same shared_channel() must
  /// have the same.
  virtual ColumnScales choose(size_t input, const InputStatistics& statistics) const = 0;

  /// The same for all channels of attention's output that come from one channel of a shared value head.
  size_t shared_channel(size_t input, size_t channel) const;
  /// A tensor of the layer at hand: "attn_q.weight".
  const TensorView& tensor(const std::string& part) const;

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  ThreadPool& pool_;
  CalibrationRun run_;

 private:
  /// Divides by the scales what makes an input.
  std::vector<float> row_scales(const std::string& part, const std::vector<ColumnScales>& inputs) const;
  TensorBytes fold_vector(const TensorView& vector, const std::vector<float>& scales) const;
  /// Rows divided by row_scales (none: by 1), columns multiplied by the input's scales, rounded to nearest.
  TensorBytes fold_matrix(const TensorView& matrix, const ColumnScales& input,
                          const std::vector<float>& row_scales) const;

  InputStatistics::Kind kind_;
  uint32_t layer_ = 0;
};

}  // namespace nibble
