#include "calibrate/folded_model.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "calibrate/tensor_writer.h"

namespace nibble {

namespace {

constexpr size_t index_of(LayerInput input) {
  return size_t(input);
}

}  // namespace

FoldedModel::FoldedModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                         InputStatistics::Kind kind, ThreadPool& pool)
    : checkpoint_(checkpoint), types_(types), pool_(pool), run_(checkpoint, data, pool), kind_(kind) {}

LayerTensors FoldedModel::next_layer() {
  std::vector<ColumnScales> inputs;
  {
    const auto pack = [&](const TensorView& matrix) { return Linear::pack(matrix, pool_); };
    const LayerStatistics statistics = gather_statistics(
        run_, checkpoint_.config(), layer_, load_layer(checkpoint_, layer_, pack), true, kind_, pool_);
    for (size_t i = 0; i < kInputMatrices.size(); ++i) inputs.push_back(choose(i, statistics[i]));
  }
  LayerTensors result;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (const std::string& part : kInputMatrices[i]) {
      const TensorView& matrix = tensor(part);
      result[matrix.name] = fold_matrix(matrix, inputs[i], row_scales(part, inputs));
    }
  }
  for (const std::string part : {"attn_norm.weight", "ffn_norm.weight", "attn_v.bias"}) {
    const TensorView* vector = checkpoint_.find(fmt::format("blk.{}.{}", layer_, part));
    if (vector != nullptr) result[vector->name] = fold_vector(*vector, row_scales(part, inputs));
  }
  ++layer_;
  return result;
}

const TensorView& FoldedModel::tensor(const std::string& part) const {
  return checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
}

size_t FoldedModel::shared_channel(size_t input, size_t channel) const {
  if (input != index_of(LayerInput::attention_output)) return channel;
  const ModelConfig& config = checkpoint_.config();
  const size_t head = channel / config.head_dim / (config.n_heads / config.n_kv_heads);
  return head * config.head_dim + channel % config.head_dim;
}

std::vector<float> FoldedModel::row_scales(const std::string& part,
                                           const std::vector<ColumnScales>& inputs) const {
  if (part == "attn_norm.weight") return inputs[index_of(LayerInput::qkv)].scales;
  if (part == "ffn_norm.weight") return inputs[index_of(LayerInput::gate_up)].scales;
  if (part == "ffn_up.weight") return inputs[index_of(LayerInput::down)].scales;
  if (part != "attn_v.weight" && part != "attn_v.bias") return {};
  const ModelConfig& config = checkpoint_.config();
  constexpr size_t kInput = index_of(LayerInput::attention_output);
  const std::vector<float>& scales = inputs[kInput].scales;
  std::vector<float> shared(size_t(config.n_kv_heads) * config.head_dim);
  for (size_t j = 0; j < scales.size(); ++j) shared[shared_channel(kInput, j)] = scales[j];
  return shared;
}

TensorBytes FoldedModel::fold_vector(const TensorView& vector, const std::vector<float>& scales) const {
  std::vector<float> values(scales.size());
  SourceRows(checkpoint_, vector).read_source(0, values.data());
  for (size_t i = 0; i < values.size(); ++i) values[i] /= scales[i];
  TensorBytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TensorBytes FoldedModel::fold_matrix(const TensorView& matrix, const ColumnScales& input,
                                     const std::vector<float>& row_scales) const {
  const SourceRows source(checkpoint_, matrix);
  const auto scaled = [&](uint64_t row, float* values) {
    source.read_source(row, values);
    const float divisor = row_scales.empty() ? 1.0f : row_scales[row];
    for (size_t j = 0; j < matrix.cols(); ++j) values[j] = values[j] * input.scales[j] / divisor;
  };
  const float* importance = input.importance.empty() ? nullptr : input.importance.data();
  TensorBytes bytes = round_rows(matrix, types_(matrix), scaled, importance, pool_);
  return settle(matrix, std::move(bytes), types_, scaled, pool_);
}

}  // namespace nibble
