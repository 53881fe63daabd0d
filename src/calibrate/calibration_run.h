#pragma once

#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "calibrate/run_state.h"
#include "model/checkpoint.h"
#include "runtime/layer.h"

namespace nibble {

/// Calibration text on its way through the model, one layer at a time: the hidden states of all its sequences
/// are kept, and of the weights no more than the layer at hand.
class CalibrationRun {
 public:
  /// Begins with the embeddings. Throws Error when a sequence does not fit the model's context or holds a
  /// token that the model has not. `data` must outlive the object.
  CalibrationRun(const Checkpoint& checkpoint, const CalibrationData& data, ThreadPool& pool);

  /// Runs all sequences through a layer and shows the inputs of its matrices to the observer. The states
  /// advance only when `advance`: a layer may be watched first and run with other weights then.
  void run_layer(const LayerWeights& weights, bool advance, const LayerObserver* observer);

  /// After the last layer: the inputs [tokens, hidden] of the output matrix.
  void observe_output(FunctionRef<void(const float* x, size_t tokens)> observer);

  /// The hidden states [tokens, hidden] of each sequence, behind the layers that it ran through.
  const std::vector<std::vector<float>>& states() const { return hidden_; }

  /// The states as they are saved, and taken up again, under a name.
  void save_to(RunState::Arrays& arrays, const std::string& name) const;
  void take_from(RunState& state, const std::string& name);

 private:
  const Checkpoint& checkpoint_;
  ThreadPool& pool_;
  ModelConfig config_;  ///< of one layer
  Rope rope_;
  Attention attention_;
  KvCache cache_;  ///< of one layer and one sequence
  Buffers buffers_;
  std::vector<TokenPlace> places_;
  std::vector<Slice> slices_;               // all sequences are cut alike
  std::vector<std::vector<float>> hidden_;  // [sequences][tokens, hidden]
};

/// x [tokens, cols] of activations as float32.
const float* observed_values(Activations& input, ThreadPool& pool);

}  // namespace nibble
