#include "calibrate/awq_model.h"

#include <algorithm>
#include <utility>

#include "calibrate/tensor_writer.h"

namespace nibble {

namespace {

/// Rows of a matrix that the search looks at, evenly spread.
constexpr uint64_t kSearchRows = 512;

}  // namespace

AwqModel::AwqModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                   const AwqOptions& options, ThreadPool& pool)
    : FoldedModel(checkpoint, data, types, InputStatistics::Kind::hessian, pool), options_(options) {}

TensorBytes AwqModel::output() {
  const TensorView& matrix = output_tensor(checkpoint_);
  if (!takes_codes(matrix, types_(matrix))) return {};
  const InputStatistics statistics =
      gather_output_statistics(run_, checkpoint_.config(), InputStatistics::Kind::diagonal, pool_);
  const std::vector<float> importance(statistics.squares().begin(), statistics.squares().end());
  TensorBytes bytes = round_to_nearest(checkpoint_, matrix, types_(matrix), importance.data(), pool_);
  return settle(checkpoint_, matrix, std::move(bytes), types_, pool_);
}

ColumnScales AwqModel::choose(size_t input, const InputStatistics& statistics) const {
  std::vector<AwqMatrix> matrices;
  for (const std::string& part : kInputMatrices[input]) matrices.push_back(sample(tensor(part)));
  AwqChoice choice = awq_search(matrices, statistics.hessian(), magnitudes(input, statistics), options_,
                                tensor(kInputMatrices[input].front()).name, pool_);
  std::vector<float> importance = awq_importance(statistics.hessian(), choice.scales);
  return {std::move(choice.scales), std::move(importance)};
}

/// Means of |x|, over all channels that share a scale.
std::vector<float> AwqModel::magnitudes(size_t input, const InputStatistics& statistics) const {
  const std::vector<double>& sums = statistics.magnitudes();
  std::vector<double> grouped(sums.size()), counts(sums.size());
  for (size_t j = 0; j < sums.size(); ++j) {
    grouped[shared_channel(input, j)] += sums[j];
    counts[shared_channel(input, j)] += double(statistics.tokens());
  }
  std::vector<float> means;
  for (size_t j = 0; j < sums.size(); ++j) {
    const size_t shared = shared_channel(input, j);
    means.push_back(float(grouped[shared] / counts[shared]));
  }
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

}  // namespace nibble
