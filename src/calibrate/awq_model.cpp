#include "calibrate/awq_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "calibrate/tensor_writer.h"

namespace nibble {

namespace {

/// Rows of a matrix that the search looks at, evenly spread.
constexpr uint64_t kSearchRows = 512;

constexpr size_t index_of(LayerInput input) {
  return size_t(input);
}

/// Of the head that query heads share, the channel behind a channel of attention's output.
uint64_t value_channel(const ModelConfig& config, uint64_t channel) {
  const uint64_t head = channel / config.head_dim / (config.n_heads / config.n_kv_heads);
  return head * config.head_dim + channel % config.head_dim;
}

}  // namespace

AwqModel::AwqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                   const AwqOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint), types_(types), options_(options), pool_(pool), run_(checkpoint, data, pool) {}

LayerTensors AwqModel::next_layer() {
  std::vector<Input> inputs;
  {
    const auto pack = [&](const TensorView& matrix) { return Linear::pack(matrix, pool_); };
    const LayerStatistics statistics =
        gather_statistics(run_, checkpoint_.config(), load_layer(checkpoint_, layer_, pack), true,
                          InputStatistics::Kind::hessian, pool_);
    for (size_t i = 0; i < kInputMatrices.size(); ++i) inputs.push_back(search(i, statistics[i]));
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

TensorBytes AwqModel::output() {
  const TensorView& matrix = output_tensor(checkpoint_);
  if (!takes_codes(matrix, types_(matrix))) return {};
  const InputStatistics statistics =
      gather_output_statistics(run_, checkpoint_.config(), InputStatistics::Kind::diagonal, pool_);
  const std::vector<float> importance(statistics.squares().begin(), statistics.squares().end());
  TensorBytes bytes = round_to_nearest(checkpoint_, matrix, types_(matrix), importance.data(), pool_);
  return settle(checkpoint_, matrix, std::move(bytes), types_, pool_);
}

const TensorView& AwqModel::tensor(const std::string& part) const {
  return checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
}

AwqModel::Input AwqModel::search(size_t input, const InputStatistics& statistics) const {
  std::vector<AwqMatrix> matrices;
  for (const std::string& part : kInputMatrices[input]) matrices.push_back(sample(tensor(part)));
  AwqChoice choice = awq_search(matrices, statistics.hessian(), magnitudes(input, statistics), options_,
                                tensor(kInputMatrices[input].front()).name, pool_);
  std::vector<float> importance = awq_importance(statistics.hessian(), choice.scales);
  return {std::move(choice.scales), std::move(importance)};
}

/// Means of |x|, over all query heads where they share a value head.
std::vector<float> AwqModel::magnitudes(size_t input, const InputStatistics& statistics) const {
  const ModelConfig& config = checkpoint_.config();
  const bool attention = input == index_of(LayerInput::attention_output);
  const auto group = [&](size_t j) { return attention ? value_channel(config, j) : j; };
  const std::vector<double>& sums = statistics.magnitudes();
  std::vector<double> grouped(sums.size());
  for (size_t j = 0; j < sums.size(); ++j) grouped[group(j)] += sums[j];
  const double count = double(statistics.tokens()) * (attention ? config.n_heads / config.n_kv_heads : 1);
  std::vector<float> means;
  for (size_t j = 0; j < sums.size(); ++j) means.push_back(float(grouped[group(j)] / count));
  return means;
}

AwqMatrix AwqModel::sample(const TensorView& matrix) const {
  const SourceRows source(checkpoint_, matrix);
  const uint64_t rows = matrix.rows(), cols = matrix.cols(), count = std::min(rows, kSearchRows);
  AwqMatrix result{types_(matrix), std::vector<float>(count * cols), double(rows) / double(count)};
  pool_.parallel_for(count, 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) source.read_source(i * rows / count, &result.w[i * cols]);
  });
  return result;
}

std::vector<float> AwqModel::row_scales(const std::string& part, const std::vector<Input>& inputs) const {
  if (part == "attn_norm.weight") return inputs[index_of(LayerInput::qkv)].scales;
  if (part == "ffn_norm.weight") return inputs[index_of(LayerInput::gate_up)].scales;
  if (part == "ffn_up.weight") return inputs[index_of(LayerInput::down)].scales;
  if (part != "attn_v.weight" && part != "attn_v.bias") return {};
  const ModelConfig& config = checkpoint_.config();
  const std::vector<float>& scales = inputs[index_of(LayerInput::attention_output)].scales;
  std::vector<float> shared(size_t(config.n_kv_heads) * config.head_dim);
  for (size_t j = 0; j < scales.size(); ++j) shared[value_channel(config, j)] = scales[j];
  return shared;
}

TensorBytes AwqModel::fold_vector(const TensorView& vector, const std::vector<float>& scales) const {
  std::vector<float> values(scales.size());
  SourceRows(checkpoint_, vector).read_source(0, values.data());
  for (size_t i = 0; i < values.size(); ++i) values[i] /= scales[i];
  TensorBytes bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TensorBytes AwqModel::fold_matrix(const TensorView& matrix, const Input& input,
                                  const std::vector<float>& row_scales) const {
  const SourceRows source(checkpoint_, matrix);
  const auto scaled = [&](uint64_t row, float* values) {
    source.read_source(row, values);
    const float divisor = row_scales.empty() ? 1.0f : row_scales[row];
    for (size_t j = 0; j < matrix.cols(); ++j) values[j] = values[j] * input.scales[j] / divisor;
  };
  TensorBytes bytes = round_rows(matrix, types_(matrix), scaled, input.importance.data(), pool_);
  return settle(matrix, std::move(bytes), types_, scaled, pool_);
}

}  // namespace nibble
