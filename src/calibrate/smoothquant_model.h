#pragma once

#include <cstddef>
#include <vector>

#include "calibrate/folded_model.h"
#include "quantize/smoothquant.h"

namespace nibble {

/// Quantizes a model's matrices with SmoothQuant: scales from the largest magnitudes of inputs and weights.
/// Where the paper smooths what a norm makes, attention's output and the input of ffn_down are smoothed too.
class SmoothQuantModel : public FoldedModel {
 public:
  SmoothQuantModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                   const SmoothQuantOptions& options, ThreadPool& pool);

  /// Empty: nothing stands before the output matrix that its scales could be folded into alone.
  TensorBytes output() { return {}; }

 private:
  ColumnScales choose(size_t input, const InputStatistics& statistics) const override;
  std::vector<float> largest_weights(size_t input) const;
  std::vector<float> over_shared_channels(size_t input, const std::vector<float>& largest) const;

  SmoothQuantOptions options_;
};

}  // namespace nibble
