#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/autoround_model.h"
#include "calibrate/calibration_data.h"
#include "calibrate/imatrix.h"
#include "calibrate/prune_model.h"
#include "calibrate/recipe.h"
#include "calibrate/run_state.h"
#include "formats/gguf.h"
#include "model/checkpoint.h"
#include "quantize/awq.h"
#include "quantize/four_bit_scale.h"
#include "quantize/gptq.h"
#include "quantize/hqq.h"
#include "quantize/smoothquant.h"

namespace nibble {

struct QuantizeSummary {
  struct Tensor {
    std::string name;
    DType from, to;
    std::optional<DType> fallback;  ///< the recipe's type, where its rows do not divide by its block
    uint64_t elements, bytes;
    /// The recipe's type where it could not hold the tensor and `to` took its place.
    std::optional<DType> promoted_from = std::nullopt;
    /// Of what the file holds with the source, or its form that was scaled (AWQ, SmoothQuant) or pruned:
    /// <W, Q> / (|W| |Q|) and |W - Q|_F / |W|_F.
    double cosine = 1, relative_error = 0;
  };
  std::vector<Tensor> tensors;
  uint64_t parameters = 0, file_bytes = 0;
  double seconds = 0;
  /// Of the tensors alone, scales included; the file has metadata beside them.
  double bits_per_weight() const {
    uint64_t bytes = 0;
    for (const Tensor& tensor : tensors) bytes += tensor.bytes;
    return parameters == 0 ? 0 : 8.0 * double(bytes) / double(parameters);
  }
};

/// How codes are chosen.
struct QuantizeMethod {
  const Importance* importance = nullptr;  ///< weights round-to-nearest's errors, where it names the tensor
  FourBitScale scale = FourBitScale::absmax;      ///< of NF4 and FP4; learned: weighted as round-to-nearest
  std::optional<HqqOptions> hqq;                  ///< types without has_hqq: round to nearest
  std::optional<GptqOptions> gptq;                ///< needs calibration
  std::optional<AwqOptions> awq;                  ///< needs calibration
  std::optional<SmoothQuantOptions> smoothquant;  ///< needs calibration
  std::optional<AutoroundOptions> autoround;      ///< needs calibration
  std::optional<PruneOptions> prune;              ///< needs calibration; what is left is rounded to nearest
  const CalibrationData* calibration = nullptr;   ///< also goes into the file's metadata
  /// With calibration: where a run that is interrupted leaves what the next one goes on with. Of the same job
  /// (quantize_job), and of `output`.
  RunState* state = nullptr;

  /// Whether layers are taken one by one, which needs calibration; else tensors, each by itself.
  bool by_layers() const { return gptq || awq || smoothquant || autoround || prune; }
};

/// What the result depends on beside the checkpoint and the calibration, for RunState.
RunState::Job quantize_job(const Checkpoint& checkpoint, const Recipe& recipe, const QuantizeMethod& method);

/// Writes a checkpoint with its tensors as the recipe says as one GGUF file. Round-to-nearest and HQQ stream
/// rows: memory stays at a few tens of MB whatever the model's size (a tensor with double quantization adds
/// an eighth of its float32 size); GPTQ, AWQ, SmoothQuant and AutoRound hold one layer, what they know of it,
/// and the calibration's hidden states, as pruning does, and take matrices whose type has no grid
/// (quantize/block_grid.h) to nearest.
/// Every tensor is compared with its source as it is written; one that its type does not hold is promoted to
/// a wider type (quantize/fidelity.h). `metadata` is what the file carries; the keys that describe the
/// quantization are set here. Hugging Face checkpoints get GGUF's row order (model/). Throws Error naming the
/// tensor and the row that holds a NaN or an infinity; the target appears only when complete.
QuantizeSummary quantize_model(const Checkpoint& checkpoint, const Recipe& recipe,
                               const QuantizeMethod& method, GgufMetadata metadata,
                               const std::filesystem::path& output, ThreadPool& pool);

}  // namespace nibble
