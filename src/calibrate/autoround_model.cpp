#include "calibrate/autoround_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "kernels/registry.h"
#include "kernels/vector_ops.h"
#include "runtime/layer.h"

namespace nibble {

namespace {

/// A matrix, and the input that it multiplies.
struct MatrixName {
  std::string part;
  LayerInput input;
};

/// By LayerMatrix, which counts the matrices of kInputMatrices.
const std::vector<MatrixName>& matrix_names() {
  static const std::vector<MatrixName> names = [] {
    std::vector<MatrixName> all;
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      for (const std::string& part : kInputMatrices[input]) all.push_back({part, LayerInput(input)});
    }
    return all;
  }();
  return names;
}

/// The mean squares of an input, as the weights of rounding's errors.
std::vector<float> importance_of(const InputStatistics& statistics) {
  const std::vector<double> means = statistics.mean_squares();
  return {means.begin(), means.end()};
}

/// |out - target|^2 / |target|^2, and (out - target) / |target|^2.
double relative_error(const float* out, const float* target, size_t n, float* difference) {
  double squares = 0, error = 0;
  for (size_t i = 0; i < n; ++i) {
    difference[i] = out[i] - target[i];
    squares += double(target[i]) * target[i];
    error += double(difference[i]) * difference[i];
  }
  const double factor = squares > 0 ? 1 / squares : 0;
  vector_ops().scale(difference, float(factor), difference, n);
  return error * factor;
}

}  // namespace

AutoroundModel::AutoroundModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                               const AutoroundOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint),
      types_(types),
      options_(options),
      pool_(pool),
      original_(checkpoint, data, pool),
      quantized_(checkpoint, data, pool),
      length_(data.sequences[0].size()) {
  options_.batch = std::min(options_.batch, uint32_t(data.sequences.size()));
  input_.resize(options_.batch * length_ * checkpoint.config().hidden);
  difference_.resize(input_.size());
}

const TensorView& AutoroundModel::tensor_of(size_t matrix) const {
  return checkpoint_.get(fmt::format("blk.{}.{}", layer_, matrix_names()[matrix].part));
}

LayerTensors AutoroundModel::next_layer() {
  const ModelConfig& config = checkpoint_.config();
  // Targets: activations stay float32.
  const auto pack_exact = [&](const TensorView& tensor) {
    return Linear::pack(tensor, select_kernel(tensor.dtype, selected_isa(), ActivationForm::f32), pool_);
  };
  const LayerStatistics statistics =
      gather_statistics(original_, config, layer_, load_layer(checkpoint_, layer_, pack_exact), true,
                        InputStatistics::Kind::diagonal, pool_);
  LayerBytes bytes;
  {
    Matrices matrices = begin_rounding(statistics);
    const auto weights = [&](LayerMatrix which, float* out) {
      const Matrix& m = matrices[size_t(which)];
      if (m.rounding) {
        m.rounding->dequantize(out, pool_);
      } else {
        std::copy(m.fixed.begin(), m.fixed.end(), out);
      }
    };
    LayerWeights vectors = load_layer(checkpoint_, layer_, [](const TensorView&) { return Linear(); });
    LayerGradient layer(config, std::move(vectors), weights, options_.batch, length_, pool_);
    bytes = learn(matrices, layer);
  }
  LayerTensors result;
  for (size_t m = 0; m < kLayerMatrices; ++m) {
    const TensorView& tensor = tensor_of(m);
    if (bytes[m].empty()) continue;
    result[tensor.name] = settle(checkpoint_, tensor, std::move(bytes[m]), types_, pool_);
  }
  quantized_.run_layer(load_quantized_layer(checkpoint_, layer_, result, types_, pool_), true, nullptr);
  ++layer_;
  return result;
}

/// Rounding to nearest of every matrix that gets codes.
AutoroundModel::Matrices AutoroundModel::begin_rounding(const LayerStatistics& statistics) const {
  Matrices matrices;
  for (size_t m = 0; m < kLayerMatrices; ++m) {
    const TensorView& tensor = tensor_of(m);
    if (takes_codes(tensor)) {  // learning begins at round to nearest, in a type that holds the matrix
      settle(checkpoint_, tensor, round_to_nearest(checkpoint_, tensor, types_(tensor), nullptr, pool_),
             types_, pool_);
    }
    std::vector<float> w(tensor.elements());
    read_rows(checkpoint_, tensor, 0, tensor.rows(), w.data(), pool_);
    if (!takes_codes(tensor)) {
      matrices[m].fixed = std::move(w);
      continue;
    }
    const std::vector<float> importance = importance_of(statistics[size_t(matrix_names()[m].input)]);
    matrices[m].rounding.emplace(types_(tensor), std::move(w), tensor.rows(), tensor.cols(),
                                 importance.data(), pool_);
  }
  return matrices;
}

/// Runs the sequences from `first` on, and around, through the layer as it is. Returns their losses and
/// leaves the gradient by its output, up to a factor, in difference_. A token's squared error counts as a
/// part of its state's square, which the next norm divides out: tokens of massive activations (Sun et al.
/// 2024, arXiv 2402.17762) would be nearly all that the loss sees.
std::vector<double> AutoroundModel::forward(LayerGradient& layer, uint64_t first) {
  const auto& inputs = quantized_.states();
  const auto& targets = original_.states();
  const size_t hidden = checkpoint_.config().hidden, size = length_ * hidden;
  for (size_t i = 0; i < options_.batch; ++i) {
    std::copy_n(inputs[(first + i) % inputs.size()].begin(), size, input_.begin() + int64_t(i * size));
  }
  const float* out = layer.forward(input_.data());
  std::vector<double> errors(options_.batch * length_), sums(options_.batch);
  pool_.parallel_for(errors.size(), rows_per_task(hidden), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const float* target = &targets[(first + t / length_) % targets.size()][t % length_ * hidden];
      errors[t] = relative_error(out + t * hidden, target, hidden, &difference_[t * hidden]);
    }
  });
  for (size_t t = 0; t < errors.size(); ++t) sums[t / length_] += errors[t];
  return sums;
}

/// Signed gradient descent. Steps see different sequences, so that their losses are compared as parts of what
/// rounding to nearest loses on the same ones; those of the best step are what is returned.
AutoroundModel::LayerBytes AutoroundModel::learn(Matrices& matrices, LayerGradient& layer) {
  const auto bytes_now = [&] {
    LayerBytes bytes;
    for (size_t m = 0; m < kLayerMatrices; ++m) {
      if (matrices[m].rounding) bytes[m] = matrices[m].rounding->bytes(pool_);
    }
    return bytes;
  };
  const auto learns = [](const Matrix& m) { return m.rounding.has_value(); };
  if (std::none_of(matrices.begin(), matrices.end(), learns)) return {};
  const std::vector<double> nearest = sequence_errors(layer);
  const size_t sequences = nearest.size();
  LayerBytes best = bytes_now();
  double least = 1;
  for (uint32_t step = 0; step <= options_.steps; ++step) {
    const uint64_t first = uint64_t(step) * options_.batch;
    const std::vector<double> errors = forward(layer, first);
    double error = 0, reference = 0;
    for (size_t i = 0; i < errors.size(); ++i) {
      error += errors[i];
      reference += nearest[(first + i) % sequences];
    }
    if (error < least * reference) {
      least = error / reference;
      best = bytes_now();
    }
    if (step == options_.steps) break;
    const float rate = (1.0f - float(step) / float(options_.steps)) / float(options_.steps);
    layer.backward(difference_.data(), [&](LayerMatrix which, const float* gradient) {
      Matrix& m = matrices[size_t(which)];
      if (m.rounding) m.rounding->step(gradient, rate, pool_);
    });
  }
  return best;
}

/// The squared errors of all sequences.
std::vector<double> AutoroundModel::sequence_errors(LayerGradient& layer) {
  const size_t sequences = quantized_.states().size();
  std::vector<double> result(sequences);
  for (size_t first = 0; first < sequences; first += options_.batch) {
    const std::vector<double> errors = forward(layer, first);
    for (size_t i = 0; i < errors.size(); ++i) result[(first + i) % sequences] = errors[i];
  }
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  if (!std::isfinite(sum)) {
    fail("blk.{}: the calibration gave states that are not finite; the model's weights are damaged", layer_);
  }
  return result;
}

TensorBytes AutoroundModel::output() {
  const TensorView& tensor = output_tensor(checkpoint_);
  if (!takes_codes(tensor)) return {};
  const std::vector<float> importance = importance_of(
      gather_output_statistics(quantized_, checkpoint_.config(), InputStatistics::Kind::diagonal, pool_));
  TensorBytes bytes = round_to_nearest(checkpoint_, tensor, types_(tensor), importance.data(), pool_);
  return settle(checkpoint_, tensor, std::move(bytes), types_, pool_);
}

}  // namespace nibble
