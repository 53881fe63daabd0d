#include "calibrate/gptq_model.h"

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <utility>

#include "quantize/block_grid.h"

namespace nibble {

GptqModel::GptqModel(const Checkpoint& checkpoint, const CalibrationData& data, TypeOf type_of,
                     const GptqOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint),
      type_of_(std::move(type_of)),
      options_(options),
      pool_(pool),
      run_(checkpoint, data, pool) {}

LayerTensors GptqModel::next_layer() {
  const ModelConfig& config = checkpoint_.config();
  LayerTensors result;
  {
    std::deque<TensorBytes> memory;
    const LayerWeights weights = load_layer(checkpoint_, layer_, [&](const TensorView& tensor) {
      return pack_to_watch(checkpoint_, tensor, memory, pool_);
    });
    const LayerStatistics statistics =
        gather_statistics(run_, config, weights, false, InputStatistics::Kind::hessian, pool_);
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      std::vector<const TensorView*> tensors;
      for (const std::string& part : kInputMatrices[input]) {
        const TensorView& tensor = checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
        if (takes_codes(tensor, type_of_(tensor))) tensors.push_back(&tensor);
      }
      quantize(tensors, statistics[input], result);
    }
  }
  run_.run_layer(load_quantized_layer(checkpoint_, layer_, result, type_of_, pool_), true, nullptr);
  ++layer_;
  return result;
}

TensorBytes GptqModel::output() {
  const TensorView& tensor = output_tensor(checkpoint_);
  if (!takes_codes(tensor, type_of_(tensor))) return {};
  const InputStatistics statistics =
      gather_output_statistics(run_, checkpoint_.config(), InputStatistics::Kind::hessian, pool_);
  LayerTensors result;
  quantize({&tensor}, statistics, result);
  return std::move(result.at(tensor.name));
}

void GptqModel::quantize(const std::vector<const TensorView*>& tensors, const InputStatistics& input,
                         LayerTensors& result) {
  std::optional<GptqFactor> factor;
  for (const TensorView* tensor : tensors) {
    const uint64_t block = scale_block(type_of_(*tensor), tensor->cols());
    if (!factor || factor->block != block) {
      factor = gptq_factor(input.hessian(), block, options_, tensor->name, pool_);
    }
    result[tensor->name] = quantize(*tensor, *factor);
  }
}

TensorBytes GptqModel::quantize(const TensorView& tensor, const GptqFactor& factor) {
  /// Float32 values that are quantized at a time: the output of a large model would not fit beside the rest.
  constexpr uint64_t kPieceValues = uint64_t(48) << 20;
  const DType to = type_of_(tensor);
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
