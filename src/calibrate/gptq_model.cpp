#include "calibrate/gptq_model.h"

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <utility>

#include "quantize/block_grid.h"

namespace nibble {

GptqModel::GptqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                     const GptqModelOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint), types_(types), options_(options), pool_(pool), run_(checkpoint, data, pool) {}

LayerTensors GptqModel::next_layer() {
  const ModelConfig& config = checkpoint_.config();
  LayerTensors result;
  {
    std::deque<TensorBytes> memory;
    const LayerWeights weights = load_layer_to_watch(checkpoint_, layer_, memory, pool_);
    const LayerStatistics statistics =
        gather_statistics(run_, config, layer_, weights, false, InputStatistics::Kind::hessian, pool_);
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      std::vector<const TensorView*> tensors;
      for (const std::string& part : kInputMatrices[input]) {
        const TensorView& tensor = checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
        if (takes_codes(tensor, types_(tensor))) tensors.push_back(&tensor);
      }
      quantize(tensors, statistics[input], result);
    }
  }
  run_.run_layer(load_quantized_layer(checkpoint_, layer_, result, types_, pool_), true, nullptr);
  ++layer_;
  return result;
}

TensorBytes GptqModel::output() {
  const TensorView& tensor = output_tensor(checkpoint_);
  if (!takes_codes(tensor, types_(tensor))) return {};
  const InputStatistics statistics =
      gather_output_statistics(run_, checkpoint_.config(), InputStatistics::Kind::hessian, pool_);
  LayerTensors result;
  quantize({&tensor}, statistics, result);
  return std::move(result.at(tensor.name));
}

void GptqModel::quantize(const std::vector<const TensorView*>& tensors, const InputStatistics& input,
                         LayerTensors& result) {
  std::optional<GptqFactor> factor;
  const std::vector<float> importance(input.squares().begin(), input.squares().end());
  for (const TensorView* tensor : tensors) {
    if (options_.nearest.count(tensor->name) > 0) {
      TensorBytes bytes = round_to_nearest(checkpoint_, *tensor, types_(*tensor), importance.data(), pool_);
      result[tensor->name] = settle(checkpoint_, *tensor, std::move(bytes), types_, pool_);
      continue;
    }
    const uint64_t block = scale_block(types_(*tensor), tensor->cols());
    if (!factor || factor->block != block) {
      factor = gptq_factor(input.hessian(), block, options_.rounding, tensor->name, pool_);
    }
    result[tensor->name] = settle(checkpoint_, *tensor, quantize(*tensor, *factor), types_, pool_);
  }
}

TensorBytes GptqModel::quantize(const TensorView& tensor, const GptqFactor& factor) {
  /// Float32 values that are quantized at a time: the output of a large model would not fit beside the rest.
  constexpr uint64_t kPieceValues = uint64_t(48) << 20;
  const DType to = types_(tensor);
  const uint64_t rows = tensor.rows(), cols = tensor.cols(), stride = row_bytes(to, cols);
  TensorBytes bytes(rows * stride);
  const uint64_t piece = std::max<uint64_t>(1, kPieceValues / cols);
  std::vector<float> values(std::min(piece, rows) * cols);
  for (uint64_t first = 0; first < rows; first += piece) {
    const uint64_t count = std::min(piece, rows - first);
    read_rows(checkpoint_, tensor, first, count, values.data(), pool_);
    gptq_quantize(to, factor, values.data(), count, cols, &bytes[first * stride], pool_);
  }
  return bytes;
}

}  // namespace nibble
