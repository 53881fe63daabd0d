#pragma once

#include <array>
#include <string>
#include <vector>

#include "calibrate/calibration_run.h"
#include "calibrate/statistics.h"

namespace nibble {

/// The matrices of a layer by the input that they share, in the order of LayerInput: "attn_q.weight", ...
inline const std::array<std::vector<std::string>, 4> kInputMatrices = {{
    {"attn_q.weight", "attn_k.weight", "attn_v.weight"},
    {"attn_output.weight"},
    {"ffn_gate.weight", "ffn_up.weight"},
    {"ffn_down.weight"},
}};

/// Statistics of a layer's inputs, indexed by LayerInput.
using LayerStatistics = std::vector<InputStatistics>;

/// Runs all sequences through layer `layer` and gathers the statistics of its inputs. Throws Error naming the
/// first matrix whose inputs are not finite: weights before it are damaged.
LayerStatistics gather_statistics(CalibrationRun& run, const ModelConfig& config, uint32_t layer,
                                  const LayerWeights& weights, bool advance, InputStatistics::Kind kind,
                                  ThreadPool& pool);
/// The statistics of the output matrix' input, after the last layer. Throws Error as gather_statistics()
/// does.
InputStatistics gather_output_statistics(CalibrationRun& run, const ModelConfig& config,
                                         InputStatistics::Kind kind, ThreadPool& pool);

}  // namespace nibble
