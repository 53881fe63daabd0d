#pragma once

#include <cstddef>
#include <vector>

#include "calibrate/folded_model.h"
#include "quantize/awq.h"

namespace nibble {

/// Quantizes a model's matrices with AWQ: the scales of each input are those of the least error of its
/// matrices' outputs. Holds the Hessians of one layer.
class AwqModel : public FoldedModel {
 public:
  AwqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
           const AwqOptions& options, ThreadPool& pool);

  /// The output matrix, after all layers: not scaled, rounded with its input's second moments. Empty when it
  /// has its type already, or one that takes no codes.
  TensorBytes output();

 private:
  ColumnScales choose(size_t input, const InputStatistics& statistics) const override;
  std::vector<float> magnitudes(size_t input, const InputStatistics& statistics) const;
  AwqMatrix sample(const TensorView& matrix) const;

  AwqOptions options_;
};

}  // namespace nibble
