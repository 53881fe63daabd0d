#include "calibrate/prune_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/error.h"
#include "model/tensor_names.h"

namespace nibble {

bool is_pruned(const TensorView& tensor) {
  return tensor.shape.size() == 2 && split_layer_name(tensor.name).has_value();
}

RecipeChoice pruned_choice(const TensorView& tensor, RecipeChoice choice, const Sparsity& sparsity) {
  if (!is_pruned(tensor)) return choice;
  if (!keeps_zeros(choice.dtype) || dtype_info(choice.dtype).layout == Layout::planes) {
    throw_usage(
        "tensor {} would become {}, whose blocks {}: with --prune take --type f16, q8_0, q6_k, q5_0, q4_0, "
        "mxfp4, int8, int4, nf4 or fp4",
        tensor.name, dtype_name(choice.dtype),
        keeps_zeros(choice.dtype) ? "are quantized over the whole tensor" : "have no zero");
  }
  if (sparsity.has_pattern() && tensor.cols() % sparsity.group != 0) {
    throw_usage("--sparsity {}: tensor {} has rows of {} weights, which do not divide by {}",
                sparsity_name(sparsity), tensor.name, tensor.cols(), sparsity.group);
  }
  choice.dtype = pruned_dtype(choice.dtype, sparsity);
  return choice;
}

PruneModel::PruneModel(const Checkpoint& checkpoint, const CalibrationData& data, TensorTypes& types,
                       const PruneOptions& options, ThreadPool& pool)
    : checkpoint_(checkpoint), types_(types), options_(options), pool_(pool), run_(checkpoint, data, pool) {}

LayerTensors PruneModel::next_layer() {
  LayerTensors result;
  {
    const auto kind = options_.method == PruneMethod::sparsegpt ? InputStatistics::Kind::hessian
                                                                : InputStatistics::Kind::diagonal;
    std::deque<TensorBytes> memory;
    const LayerWeights weights = load_layer_to_watch(checkpoint_, layer_, memory, pool_);
    const LayerStatistics statistics =
        gather_statistics(run_, checkpoint_.config(), layer_, weights, false, kind, pool_);
    for (size_t i = 0; i < kInputMatrices.size(); ++i) prune(kInputMatrices[i], statistics[i], result);
  }
  run_.run_layer(load_quantized_layer(checkpoint_, layer_, result, types_, pool_), true, nullptr);
  ++layer_;
  return result;
}

void PruneModel::prune(const std::vector<std::string>& parts, const InputStatistics& input,
                       LayerTensors& result) {
  const std::vector<float> squares(input.squares().begin(), input.squares().end());
  GptqFactor factor;
  if (options_.method == PruneMethod::sparsegpt) {
    GptqOptions options;
    options.by_activation = false;
    const std::string first = fmt::format("blk.{}.{}", layer_, parts.front());
    factor = gptq_factor(input.hessian(), squares.size(), options, first, pool_);
  }
  for (const std::string& part : parts) {
    const TensorView& matrix = checkpoint_.get(fmt::format("blk.{}.{}", layer_, part));
    const uint64_t rows = matrix.rows(), cols = matrix.cols();
    std::vector<float> w(rows * cols);
    read_rows(checkpoint_, matrix, 0, rows, w.data(), pool_);
    if (options_.method == PruneMethod::sparsegpt) {
      sparsegpt_prune(w.data(), rows, cols, factor, options_.sparsity, pool_);
    } else {
      wanda_prune(w.data(), rows, cols, squares, options_.sparsity, pool_);
    }
    const auto pruned = [&](uint64_t row, float* values) { std::copy_n(&w[row * cols], cols, values); };
    TensorBytes bytes = round_rows(matrix, types_(matrix), pruned, squares.data(), pool_);
    result[matrix.name] = settle(matrix, std::move(bytes), types_, pruned, pool_);
  }
}

}  // namespace nibble
