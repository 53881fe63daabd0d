#include "calibrate/smoothquant_model.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "calibrate/tensor_writer.h"

namespace nibble {

SmoothQuantModel::SmoothQuantModel(const Checkpoint& checkpoint, const CalibrationData& data,
                                   TensorTypes& types, const SmoothQuantOptions& options, ThreadPool& pool)
    : FoldedModel(checkpoint, data, types, InputStatistics::Kind::maxima, pool), options_(options) {}

ColumnScales SmoothQuantModel::choose(size_t input, const InputStatistics& statistics) const {
  return {smoothquant_scales(over_shared_channels(input, statistics.maxima()),
                             over_shared_channels(input, largest_weights(input)), options_.alpha),
          {}};
}

/// [cols], over all rows of all matrices with this input.
std::vector<float> SmoothQuantModel::largest_weights(size_t input) const {
  std::vector<float> largest(tensor(kInputMatrices[input].front()).cols());
  std::mutex mutex;
  for (const std::string& part : kInputMatrices[input]) {
    const TensorView& matrix = tensor(part);
    const SourceRows source(checkpoint_, matrix);
    pool_.parallel_for(matrix.rows(), 64, [&](size_t begin, size_t end) {
      std::vector<float> values(matrix.cols()), here(matrix.cols());
      for (size_t row = begin; row < end; ++row) {
        source.read_source(row, values.data());
        for (size_t j = 0; j < here.size(); ++j) here[j] = std::max(here[j], std::abs(values[j]));
      }
      const std::lock_guard lock(mutex);
      for (size_t j = 0; j < here.size(); ++j) largest[j] = std::max(largest[j], here[j]);
    });
  }
  return largest;
}

/// The largest of each channel and those that share its scale.
std::vector<float> SmoothQuantModel::over_shared_channels(size_t input,
                                                          const std::vector<float>& largest) const {
  std::vector<float> shared(largest.size()), result;
  for (size_t j = 0; j < largest.size(); ++j) {
    float& most = shared[shared_channel(input, j)];
    most = std::max(most, largest[j]);
  }
  for (size_t j = 0; j < largest.size(); ++j) result.push_back(shared[shared_channel(input, j)]);
  return result;
}

}  // namespace nibble
