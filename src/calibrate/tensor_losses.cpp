#include "calibrate/tensor_losses.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "calibrate/calibration_run.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "calibrate/tensor_writer.h"
#include "quantize/block_grid.h"
#include "quantize/gptq.h"
#include "quantize/output_errors.h"
#include "quantize/quantize_row.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

constexpr const char* kEmbedding = "token_embd.weight";

/// Scales over the whole tensor cost next to nothing, so that the type without them stands for both.
DType measured_dtype(DType dtype) {
  if (dtype == DType::NF4_DQ) return DType::NF4;
  return dtype == DType::FP4_DQ ? DType::FP4 : dtype;
}

/// `count` indices, or all of them, each as often as its weight has it: systematic sampling.
std::vector<uint64_t> sample_by_weight(const std::vector<double>& weights, uint64_t count) {
  std::vector<uint64_t> indices;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  count = std::min<uint64_t>(count, weights.size());
  double reached = 0;
  for (uint64_t i = 0; i < weights.size() && sum > 0; ++i) {
    reached += weights[i];
    while (indices.size() < count && (double(indices.size()) + 0.5) * sum <= reached * double(count)) {
      indices.push_back(i);
    }
  }
  return indices;
}

/// Rows of a matrix as float32 [rows, cols].
struct Rows {
  std::vector<uint64_t> indices;
  std::vector<float> values;
  uint64_t cols = 0;
  size_t size() const { return indices.size(); }
};

Rows read_indexed(const Checkpoint& checkpoint, const TensorView& tensor, std::vector<uint64_t> indices,
                  ThreadPool& pool) {
  Rows rows{std::move(indices), {}, tensor.cols()};
  rows.values.resize(rows.size() * rows.cols);
  const SourceRows source(checkpoint, tensor);
  pool.parallel_for(rows.size(), 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) source.read_source(rows.indices[i], &rows.values[i * rows.cols]);
  });
  return rows;
}

/// What rounding makes of rows, less the rows: dW [rows, cols].
class RoundingErrors {
 public:
  /// `importance` [cols] weights round-to-nearest's errors, or null.
  RoundingErrors(const Rows& rows, const float* importance, ThreadPool& pool)
      : rows_(rows), importance_(importance), pool_(pool), errors_(rows.values.size()) {}

  const std::vector<float>& nearest(DType dtype) {
    return each_row(dtype, [&](size_t i, std::byte* out) {
      quantize_row(dtype, &rows_.values[i * rows_.cols], out, rows_.cols, importance_);
    });
  }
  const std::vector<float>& gptq(DType dtype, const GptqFactor& factor) {
    const uint64_t stride = row_bytes(dtype, rows_.cols);
    bytes_.resize(rows_.size() * stride);
    gptq_quantize(dtype, factor, rows_.values.data(), rows_.size(), rows_.cols, bytes_.data(), pool_);
    return each_row(dtype, [&](size_t i, std::byte* out) { std::copy_n(&bytes_[i * stride], stride, out); });
  }

 private:
  template <typename Make>
  const std::vector<float>& each_row(DType dtype, Make make) {
    const uint64_t cols = rows_.cols;
    pool_.parallel_for(rows_.size(), 8, [&](size_t begin, size_t end) {
      std::vector<std::byte> bytes(row_bytes(dtype, cols));
      for (size_t i = begin; i < end; ++i) {
        make(i, bytes.data());
        float* error = &errors_[i * cols];
        dequantize_row(dtype, bytes.data(), error, cols);
        for (size_t j = 0; j < cols; ++j) error[j] -= rows_.values[i * cols + j];
      }
    });
    return errors_;
  }

  const Rows& rows_;
  const float* importance_;
  ThreadPool& pool_;
  std::vector<float> errors_;
  std::vector<std::byte> bytes_;
};

/// What calibration knows of one input.
struct Input {
  const InputStatistics& fit;
  const InputStatistics& held_out;
};

/// Mean over rows [0, rows) of (dW H dW^T)_rr.
double mean_output_error(const InputStatistics& input, const std::vector<float>& errors, size_t rows,
                         ThreadPool& pool) {
  const uint64_t cols = input.hessian().size();
  const size_t strips = (rows + OutputErrors::kRows - 1) / OutputErrors::kRows;
  std::vector<double> sums(strips);
  pool.parallel_for(strips, 1, [&](size_t begin, size_t end) {
    OutputErrors output(input.hessian());
    for (size_t strip = begin; strip < end; ++strip) {
      const size_t first = strip * OutputErrors::kRows, count = std::min(OutputErrors::kRows, rows - first);
      for (size_t r = 0; r < count; ++r) output.set(r, {&errors[(first + r) * cols], cols});
      const auto& each = output.compute(count);
      sums[strip] = std::accumulate(each.begin(), each.begin() + int64_t(count), 0.0);
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0) / double(rows) / double(input.tokens());
}

class LossPass {
 public:
  LossPass(const Checkpoint& checkpoint, const OutputGradients& gradients, const CalibrationData& held_out,
           const CandidatesOf& candidates_of, ThreadPool& pool)
      : checkpoint_(checkpoint), gradients_(gradients), candidates_of_(candidates_of), pool_(pool) {
    for (const auto& sequence : held_out.sequences)
      tokens_.insert(tokens_.end(), sequence.begin(), sequence.end());
  }

  /// The matrices with one input. Scale blocks one after the other, so that one factor is held at a time.
  void add(const std::vector<const TensorView*>& tensors, const Input& input) {
    std::vector<TensorLosses> losses;
    std::vector<Sample> samples;
    for (const TensorView* tensor : tensors) {
      losses.push_back(begin(*tensor));
      samples.push_back(sample(*tensor));
    }
    const std::vector<float> importance(input.fit.squares().begin(), input.fit.squares().end());
    for (size_t i = 0; i < tensors.size(); ++i) {
      RoundingErrors rounding(samples[i].rows, importance.data(), pool_);
      measure(*tensors[i], input, samples[i], losses[i], [&](const TensorRecipe& recipe) {
        return recipe.nearest ? &rounding.nearest(measured_dtype(recipe.dtype)) : nullptr;
      });
    }
    for (const uint64_t block : scale_blocks(losses, tensors[0]->cols())) {
      const GptqFactor factor = gptq_factor(input.fit.hessian(), block, {}, tensors[0]->name, pool_);
      for (size_t i = 0; i < tensors.size(); ++i) {
        RoundingErrors rounding(samples[i].rows, nullptr, pool_);
        measure(*tensors[i], input, samples[i], losses[i], [&](const TensorRecipe& recipe) {
          const bool in_turn = !recipe.nearest && scale_block(recipe.dtype, tensors[i]->cols()) == block;
          return in_turn ? &rounding.gptq(recipe.dtype, factor) : nullptr;
        });
      }
    }
    std::move(losses.begin(), losses.end(), std::back_inserter(result_));
  }

  /// An embedding of its own: rows of the text's tokens, rounded to nearest.
  void add_embedding() {
    const TensorView& tensor = checkpoint_.get(kEmbedding);
    TensorLosses losses = begin(tensor);
    keep_nearest(losses);
    const Rows rows = read_indexed(checkpoint_, tensor, token_sample(), pool_);
    RoundingErrors rounding(rows, nullptr, pool_);
    for (CandidateLoss& candidate : losses.candidates) {
      if (stays(tensor, candidate)) continue;
      candidate.loss =
          embedding_loss(rounding.nearest(measured_dtype(candidate.recipe.dtype)), 0, rows.size());
    }
    result_.push_back(std::move(losses));
  }

  std::vector<TensorLosses> take() { return std::move(result_); }

  /// The losses so far as numbers: matrices and candidates stand in one order in every run of a job.
  nlohmann::json losses() const {
    nlohmann::json all = nlohmann::json::array();
    for (const TensorLosses& tensor : result_) {
      std::vector<double> each;
      for (const CandidateLoss& candidate : tensor.candidates) each.push_back(candidate.loss);
      all.push_back({tensor.name, each});
    }
    return all;
  }
  void restore(const nlohmann::json& all) {
    for (const nlohmann::json& one : all) {
      const TensorView& tensor = checkpoint_.get(one.at(0).get<std::string>());
      const auto each = one.at(1).get<std::vector<double>>();
      TensorLosses losses = begin(tensor);
      if (!gradients_.squares.contains(tensor.name)) keep_nearest(losses);
      if (each.size() != losses.candidates.size()) fail("{} has other candidates than before", tensor.name);
      for (size_t i = 0; i < each.size(); ++i) losses.candidates[i].loss = each[i];
      result_.push_back(std::move(losses));
    }
  }

 private:
  static bool stays(const TensorView& tensor, const CandidateLoss& candidate) {
    return candidate.recipe.dtype == tensor.dtype;
  }

  /// A matrix that is only looked up has no inputs for GPTQ to know.
  static void keep_nearest(TensorLosses& losses) {
    std::erase_if(losses.candidates, [](const CandidateLoss& c) { return !c.recipe.nearest; });
  }

  TensorLosses begin(const TensorView& tensor) const {
    TensorLosses losses{tensor.name, {}};
    for (const TensorRecipe& recipe : candidates_of_(tensor)) {
      losses.candidates.push_back({recipe, *tensor_bytes(recipe.dtype, tensor.rows(), tensor.cols()), 0});
    }
    return losses;
  }

  /// The scale blocks of all that GPTQ rounds.
  static std::set<uint64_t> scale_blocks(const std::vector<TensorLosses>& losses, uint64_t cols) {
    std::set<uint64_t> blocks;
    for (const TensorLosses& tensor : losses) {
      for (const CandidateLoss& c : tensor.candidates) {
        if (!c.recipe.nearest) blocks.insert(scale_block(c.recipe.dtype, cols));
      }
    }
    return blocks;
  }

  std::vector<uint64_t> token_sample() const {
    std::vector<uint64_t> sample;
    const size_t count = std::min<size_t>(kLossRows, tokens_.size());
    for (size_t i = 0; i < count; ++i) sample.push_back(uint64_t(tokens_[i * tokens_.size() / count]));
    return sample;
  }

  /// Rows of a matrix: by what their outputs count for, and behind these those of the text's tokens where the
  /// matrix is the embedding too.
  struct Sample {
    size_t outputs = 0;
    Rows rows;
  };

  Sample sample(const TensorView& tensor) const {
    std::vector<uint64_t> indices = sample_by_weight(gradients_.squares.at(tensor.name), kLossRows);
    const size_t outputs = indices.size();
    if (tensor.name == kEmbedding) {
      const std::vector<uint64_t> tokens = token_sample();
      indices.insert(indices.end(), tokens.begin(), tokens.end());
    }
    return {outputs, read_indexed(checkpoint_, tensor, std::move(indices), pool_)};
  }

  double loss_of(const TensorView& tensor, const Input& input, const std::vector<float>& errors,
                 const Sample& from) const {
    const std::vector<double>& squares = gradients_.squares.at(tensor.name);
    const double sum = std::accumulate(squares.begin(), squares.end(), 0.0);
    const size_t outputs = from.outputs, rows = from.rows.size();
    double loss = outputs == 0 ? 0 : 0.5 * sum * mean_output_error(input.held_out, errors, outputs, pool_);
    if (rows > outputs) loss += embedding_loss(errors, outputs, rows);
    return loss;
  }

  double embedding_loss(const std::vector<float>& errors, size_t first, size_t last) const {
    const size_t hidden = gradients_.embedding.size();
    double sum = 0;
    for (size_t i = first * hidden; i < last * hidden; ++i) {
      sum += gradients_.embedding[i % hidden] * double(errors[i]) * errors[i];
    }
    return 0.5 * sum / double(last - first);
  }

  /// The losses of the candidates for which errors_of(recipe) gives errors and not null.
  template <typename ErrorsOf>
  void measure(const TensorView& tensor, const Input& input, const Sample& from, TensorLosses& losses,
               ErrorsOf errors_of) const {
    for (CandidateLoss& candidate : losses.candidates) {
      if (stays(tensor, candidate)) continue;
      const std::vector<float>* errors = errors_of(candidate.recipe);
      if (errors != nullptr) candidate.loss = loss_of(tensor, input, *errors, from);
    }
  }

  const Checkpoint& checkpoint_;
  const OutputGradients& gradients_;
  const CandidatesOf& candidates_of_;
  ThreadPool& pool_;
  std::vector<int32_t> tokens_;
  std::vector<TensorLosses> result_;
};

/// What a run of measure_tensor_losses keeps after each layer.
class LossState {
 public:
  LossState(RunState& state, const OutputGradients& gradients, CalibrationRun& fit, CalibrationRun& held_out,
            LossPass& pass)
      : state_(state), gradients_(gradients), fit_(fit), held_out_(held_out), pass_(pass) {}

  /// The layers that are done; their losses and what is behind them are taken up.
  uint32_t restore(uint32_t layers_of_model) {
    const uint32_t layers = state_.layers();
    if (layers == 0) return 0;
    pass_.restore(state_.details().at("losses"));
    fit_.take_from(state_, "fit");
    held_out_.take_from(state_, "held_out");
    state_.announce(layers_of_model);
    return layers;
  }

  void save(uint32_t layers) {
    RunState::Arrays arrays;
    fit_.save_to(arrays, "fit");
    held_out_.save_to(arrays, "held_out");
    state_.save(layers, {{"gradients", gradients_}, {"losses", pass_.losses()}}, arrays);
  }

 private:
  RunState& state_;
  const OutputGradients& gradients_;
  CalibrationRun &fit_, &held_out_;
  LossPass& pass_;
};

}  // namespace

std::optional<OutputGradients> saved_gradients(const RunState& state) {
  const auto found = state.details().find("gradients");
  if (found == state.details().end()) return std::nullopt;
  return found->get<OutputGradients>();
}

void save_gradients(const OutputGradients& gradients, RunState& state) {
  state.save(0, {{"gradients", gradients}}, {});
}

std::vector<TensorLosses> measure_tensor_losses(const Checkpoint& checkpoint,
                                                const OutputGradients& gradients, const CalibrationData& fit,
                                                const CalibrationData& held_out,
                                                const CandidatesOf& candidates_of, RunState& state,
                                                ThreadPool& pool) {
  constexpr auto kKind = InputStatistics::Kind::hessian;
  const ModelConfig& config = checkpoint.config();
  Progress progress("error of each format", config.n_layers, "layers");
  CalibrationRun fit_run(checkpoint, fit, pool), held_run(checkpoint, held_out, pool);
  LossPass pass(checkpoint, gradients, held_out, candidates_of, pool);
  LossState saved(state, gradients, fit_run, held_run, pass);
  const uint32_t first = saved.restore(config.n_layers);
  progress.add(first);
  if (first == 0 && output_tensor(checkpoint).name != kEmbedding) pass.add_embedding();
  for (uint32_t layer = first; layer < config.n_layers; ++layer) {
    LayerStatistics seen, unseen;
    {
      std::deque<TensorBytes> memory;
      const LayerWeights weights = load_layer_to_watch(checkpoint, layer, memory, pool);
      seen = gather_statistics(fit_run, config, layer, weights, true, kKind, pool);
      unseen = gather_statistics(held_run, config, layer, weights, true, kKind, pool);
    }
    const auto names = layer_matrix_names(layer);
    size_t next = 0;
    for (size_t input = 0; input < kInputMatrices.size(); ++input) {
      std::vector<const TensorView*> tensors;
      for (size_t i = 0; i < kInputMatrices[input].size(); ++i)
        tensors.push_back(&checkpoint.get(names[next++]));
      pass.add(tensors, {seen[input], unseen[input]});
    }
    checkpoint.release_all();
    saved.save(layer + 1);
    progress.add(1);
  }
  const InputStatistics seen = gather_output_statistics(fit_run, config, kKind, pool);
  const InputStatistics unseen = gather_output_statistics(held_run, config, kKind, pool);
  pass.add({&output_tensor(checkpoint)}, {seen, unseen});
  return pass.take();
}

}  // namespace nibble
