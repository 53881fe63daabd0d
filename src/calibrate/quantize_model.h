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
    bool fallback;  ///< its rows do not divide by the block of the type that the recipe gave it
    uint64_t elements, bytes;
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
};

/// Writes a checkpoint with its tensors as the recipe says as one GGUF file. Round-to-nearest and HQQ stream
/// rows: memory stays at a few tens of MB whatever the model's size (a tensor with double quantization adds
/// an eighth of its float32 size); GPTQ, AWQ, SmoothQuant and AutoRound hold one layer, what they know of it,
/// and the calibration's hidden states, as pruning does, and take matrices whose type has no grid
/// (quantize/block_grid.h) to nearest. `metadata` is what the file carries; the keys that describe the
/// quantization are set here. Hugging Face checkpoints get GGUF's row order (model/). Throws Error naming the
/// tensor and the row that holds a NaN or an infinity; the target appears only when complete.
QuantizeSummary quantize_model(const Checkpoint& checkpoint, const Recipe& recipe,
                               const QuantizeMethod& method, GgufMetadata metadata,
                               const std::filesystem::path& output, ThreadPool& pool);

}  // namespace nibble
