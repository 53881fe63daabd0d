#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/checksum.h"
#include "calibrate/calibration_run.h"
#include "calibrate/run_state.h"
#include "calibrate/tensor_types.h"
#include "formats/gguf.h"

namespace nibble {

/// What a run of quantize_model keeps after each layer: how far the file is written, with its checksum; what
/// became of the tensors in it; and the calibration's hidden states behind the layer. Does nothing without a
/// RunState.
class ModelState {
 public:
  /// Compares the part of `output` that is written with what the state says of it; where they differ, the run
  /// begins anew.
  ModelState(RunState* state, const std::filesystem::path& output);

  Incomplete incomplete() const { return state_ == nullptr ? Incomplete::removed : Incomplete::kept; }
  uint32_t layers() const { return state_ == nullptr ? 0 : state_->layers(); }  ///< that are done
  size_t tensors() const { return tensors_; }                                   ///< that the file has

  void restore(TensorTypes& types) const;
  /// Also says so: "Resuming at layer 17 of 30".
  void restore(std::span<CalibrationRun* const> runs, uint32_t layers_of_model);
  /// `written`: the tensors in the file, in its order.
  void save(uint32_t layers, std::span<const TensorView* const> written, const TensorTypes& types,
            GgufWriter& file, std::span<CalibrationRun* const> runs);
  void remove();

 private:
  RunState* state_;
  std::filesystem::path partial_;
  size_t tensors_ = 0;
  uint64_t end_ = 0, hash_ = kFnv1aBasis;  ///< of the data that the file has: where it ends, its checksum
};

}  // namespace nibble
