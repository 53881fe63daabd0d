#include "calibrate/gptq_model.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "calibrate/tensor_writer.h"
#include "quantize/block_grid.h"
#include "quantize/quantize_row.h"

namespace nibble {

namespace {

bool has_float_values(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

}  // namespace

GptqModel::GptqModel(const Checkpoint& checkpoint, const CalibrationData& data, TypeOf type_of,
                     const GptqOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint),
      type_of_(std::move(type_of)),
      options_(options),
      pool_(pool),
      run_(checkpoint, data, pool) {}

bool GptqModel::takes_codes(const TensorView& tensor) const {
  return type_of_(tensor) != tensor.dtype && has_grid(type_of_(tensor));
}

std::map<std::string, GptqModel::Bytes> GptqModel::next_layer() {
  const ModelConfig& config = checkpoint_.config();
  std::map<std::string, Bytes> result;
  const auto pack = [&](const TensorView& tensor) { return Linear::pack(tensor, pool_); };
  {
    std::deque<Bytes> memory;
    const LayerWeights weights = load_layer(
        checkpoint_, layer_, [&](const TensorView& tensor) { return pack_to_watch(tensor, memory); });
    const LayerStatistics statistics =
        gather_statistics(run_, config, weights, false, InputStatistics::Kind::hessian, pool_);
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      std::vector<const TensorView*> tensors;
      for (const std::string& part : kInputMatrices[input]) {
        const TensorView& tensor = checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
        if (takes_codes(tensor)) tensors.push_back(&tensor);
      }
      quantize(tensors, statistics[input], result);
    }
  }
  const auto pack_quantized = [&](const TensorView& tensor) {
    const auto bytes = result.find(tensor.name);
    if (bytes == result.end()) return pack(tensor);
    return pack({tensor.name, type_of_(tensor), tensor.shape, bytes->second});
  };
  run_.run_layer(load_layer(checkpoint_, layer_, pack_quantized), true, nullptr);
  ++layer_;
  return result;
}

Linear GptqModel::pack_to_watch(const TensorView& tensor, std::deque<Bytes>& memory) {
  const bool is_float = has_float_values(tensor.dtype);
  if (!is_float || tensor.cols() % dtype_info(DType::Q8_0).block_elements != 0) {
    return Linear::pack(tensor, pool_);
  }
  const SourceRows source(checkpoint_, tensor);
  const uint64_t cols = tensor.cols(), stride = row_bytes(DType::Q8_0, cols);
  Bytes& bytes = memory.emplace_back(tensor.rows() * stride);
  pool_.parallel_for(tensor.rows(), 16, [&](size_t begin, size_t end) {
    std::vector<float> values(cols);
    for (size_t row = begin; row < end; ++row) {
      source.read_source(row, values.data());
      quantize_row(DType::Q8_0, values.data(), &bytes[row * stride], cols);
    }
  });
  return Linear::pack({tensor.name, DType::Q8_0, tensor.shape, bytes}, pool_);
}

GptqModel::Bytes GptqModel::output() {
  const TensorView& tensor = output_tensor(checkpoint_);
  if (!takes_codes(tensor)) return {};
  const InputStatistics statistics =
      gather_output_statistics(run_, checkpoint_.config(), InputStatistics::Kind::hessian, pool_);
  std::map<std::string, Bytes> result;
  quantize({&tensor}, statistics, result);
  return std::move(result.at(tensor.name));
}

void GptqModel::quantize(const std::vector<const TensorView*>& tensors, const InputStatistics& input,
                         std::map<std::string, Bytes>& result) {
  std::optional<GptqFactor> factor;
  for (const TensorView* tensor : tensors) {
    const uint64_t block = scale_block(type_of_(*tensor), tensor->cols());
    if (!factor || factor->block != block) {
      factor = gptq_factor(input.hessian(), block, options_, tensor->name, pool_);
    }
    result[tensor->name] = quantize(*tensor, *factor);
  }
}

GptqModel::Bytes GptqModel::quantize(const TensorView& tensor, const GptqFactor& factor) {
  /// Float32 values that are quantized at a time: the output of a large model would not fit beside the rest.
  constexpr uint64_t kPieceValues = uint64_t(48) << 20;
  const SourceRows source(checkpoint_, tensor);
  const DType to = type_of_(tensor);
  const uint64_t rows = tensor.rows(), cols = tensor.cols(), stride = row_bytes(to, cols);
  Bytes bytes(rows * stride);
  const uint64_t piece = std::max<uint64_t>(1, kPieceValues / cols);
  std::vector<float> values(std::min(piece, rows) * cols);
  for (uint64_t first = 0; first < rows; first += piece) {
    const uint64_t count = std::min(piece, rows - first);
    pool_.parallel_for(count, 16, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) source.read_source(first + row, &values[row * cols]);
    });
    gptq_quantize(to, factor, values.data(), count, cols, &bytes[first * stride], pool_);
  }
  return bytes;
}

}  // namespace nibble
