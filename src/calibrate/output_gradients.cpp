#include "calibrate/output_gradients.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <random>

#include "base/progress.h"
#include "calibrate/calibration_run.h"
#include "calibrate/float_operand.h"
#include "calibrate/layer_gradient.h"
#include "calibrate/layer_statistics.h"
#include "calibrate/layer_tensors.h"
#include "calibrate/norm_gradient.h"
#include "kernels/vector_ops.h"
#include "runtime/layer.h"

namespace nibble {

namespace {

/// Hidden states [sequences][tokens, hidden].
using States = std::vector<std::vector<float>>;

/// Tokens whose logits are held at a time.
constexpr size_t kLogitTokens = 128;

/// The output matrix and the norm before it: from the last hidden states to the gradient by them.
class OutputGradient {
 public:
  OutputGradient(const Checkpoint& checkpoint, uint64_t seed, ThreadPool& pool)
      : config_(checkpoint.config()),
        pool_(pool),
        norm_(load_vector(checkpoint, "output_norm.weight")),
        vocab_(output_tensor(checkpoint).rows()),
        random_(seed),
        squares_(vocab_) {
    const TensorView& tensor = output_tensor(checkpoint);
    matrix_.resize(tensor.elements());
    read_rows(checkpoint, tensor, 0, vocab_, matrix_.data(), pool);
    forward_.pack(matrix_.data(), vocab_, tensor.cols(), pool);
    backward_.pack_transposed(matrix_.data(), vocab_, tensor.cols(), pool);
  }

  /// Replaces hidden states [tokens, hidden] by the gradients of log p(y) by them.
  void replace(std::vector<float>& states) {
    const size_t hidden = config_.hidden;
    for (size_t first = 0; first < states.size() / hidden; first += kLogitTokens) {
      replace(&states[first * hidden], std::min(kLogitTokens, states.size() / hidden - first));
    }
  }

  /// Sums of p (1 - p) over all tokens [vocab].
  const std::vector<double>& squares() const { return squares_; }

 private:
  void replace(float* states, size_t tokens) {
    const size_t hidden = config_.hidden;
    normed_.resize(tokens * hidden);
    logits_.resize(tokens * vocab_);
    for (size_t t = 0; t < tokens; ++t) {
      vector_ops().rms_norm(states + t * hidden, norm_.data(), config_.norm_eps, &normed_[t * hidden],
                            hidden);
    }
    forward_.multiply(normed_.data(), tokens, logits_.data(), pool_);
    std::vector<double> draws(tokens);
    for (double& draw : draws) draw = double(random_() >> 11) * 0x1p-53;
    pool_.parallel_for(tokens, 1, [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) set_probabilities(&logits_[t * vocab_]);
    });
    add_squares(tokens);
    for (size_t t = 0; t < tokens; ++t) set_gradient(&logits_[t * vocab_], draws[t]);
    backward_.multiply(logits_.data(), tokens, normed_.data(), pool_);
    std::vector<float> gradient(hidden);
    for (size_t t = 0; t < tokens; ++t) {
      float* x = states + t * hidden;
      norm_gradient(x, norm_.data(), config_.norm_eps, &normed_[t * hidden], hidden, gradient.data());
      std::copy(gradient.begin(), gradient.end(), x);
    }
  }

  void set_probabilities(float* logits) const {
    const float largest = *std::max_element(logits, logits + vocab_);
    double sum = 0;
    for (size_t i = 0; i < vocab_; ++i) sum += double(logits[i] = std::exp(logits[i] - largest));
    vector_ops().scale(logits, float(1 / sum), logits, vocab_);
  }

  void add_squares(size_t tokens) {
    pool_.parallel_for(vocab_, 1024, [&](size_t begin, size_t end) {
      for (size_t t = 0; t < tokens; ++t) {
        const float* p = &logits_[t * vocab_];
        for (size_t i = begin; i < end; ++i) squares_[i] += double(p[i]) * (1 - double(p[i]));
      }
    });
  }

  /// From probabilities to the gradient of log p(y) by the logits: e_y - p. `draw` in [0, 1) decides y.
  void set_gradient(float* p, double draw) const {
    size_t y = 0;
    for (double sum = p[0]; y + 1 < vocab_ && sum <= draw;) sum += double(p[++y]);
    for (size_t i = 0; i < vocab_; ++i) p[i] = -p[i];
    p[y] += 1;
  }

  const ModelConfig& config_;
  ThreadPool& pool_;
  std::vector<float> norm_;
  size_t vocab_;
  std::mt19937_64 random_;
  std::vector<double> squares_;
  std::vector<float> matrix_;  // [vocab, hidden]
  FloatOperand forward_, backward_;
  std::vector<float> normed_, logits_;  // [tokens, hidden], [tokens, vocab]
};

/// The states in front of each layer, and behind the last.
std::vector<States> run_forward(const Checkpoint& checkpoint, const CalibrationData& data, Progress& progress,
                                ThreadPool& pool) {
  CalibrationRun run(checkpoint, data, pool);
  std::vector<States> states{run.states()};
  for (uint32_t layer = 0; layer < checkpoint.config().n_layers; ++layer) {
    std::deque<TensorBytes> memory;
    run.run_layer(load_layer_to_watch(checkpoint, layer, memory, pool), true, nullptr);
    states.push_back(run.states());
    checkpoint.release_all();
    progress.add(1);
  }
  return states;
}

/// One layer's way back: replaces the gradients by its output with those by its input, and adds up the
/// squares of those by its products.
void run_backward(const Checkpoint& checkpoint, uint32_t layer, const States& inputs, States& gradients,
                  OutputGradients& result, ThreadPool& pool) {
  const std::array<std::string, kLayerMatrices> names = layer_matrix_names(layer);
  const auto weights = [&](LayerMatrix which, float* out) {
    const TensorView& tensor = checkpoint.get(names[size_t(which)]);
    read_rows(checkpoint, tensor, 0, tensor.rows(), out, pool);
  };
  LayerWeights vectors = load_layer(checkpoint, layer, [](const TensorView&) { return Linear(); });
  const ModelConfig& config = checkpoint.config();
  const size_t length = inputs[0].size() / config.hidden;
  LayerGradient gradient(config, std::move(vectors), weights, 1, length, pool);
  std::vector<InputStatistics> squares;
  for (const std::string& name : names) {
    squares.emplace_back(checkpoint.get(name).rows(), InputStatistics::Kind::diagonal);
  }
  for (size_t s = 0; s < inputs.size(); ++s) {
    gradient.forward(inputs[s].data());
    const float* by_input = gradient.backward_by_products(
        gradients[s].data(),
        [&](LayerMatrix which, auto* g) { squares[size_t(which)].add(g, length, pool); });
    std::copy_n(by_input, gradients[s].size(), gradients[s].begin());
  }
  for (size_t m = 0; m < kLayerMatrices; ++m) result.squares[names[m]] = squares[m].mean_squares();
}

}  // namespace

OutputGradients measure_output_gradients(const Checkpoint& checkpoint, const CalibrationData& data,
                                         uint64_t seed, ThreadPool& pool) {
  const ModelConfig& config = checkpoint.config();
  Progress progress("sensitivity", 2 * uint64_t(config.n_layers), "layers");
  std::vector<States> states = run_forward(checkpoint, data, progress, pool);
  OutputGradients result;
  States gradients = std::move(states.back());
  {
    OutputGradient output(checkpoint, seed, pool);
    for (std::vector<float>& sequence : gradients) output.replace(sequence);
    std::vector<double>& squares = result.squares[output_tensor(checkpoint).name] = output.squares();
    for (double& sum : squares) sum /= double(data.tokens());
  }
  for (uint32_t layer = config.n_layers; layer-- > 0;) {
    states.pop_back();
    run_backward(checkpoint, layer, states.back(), gradients, result, pool);
    checkpoint.release_all();
    progress.add(1);
  }
  InputStatistics embedding(config.hidden, InputStatistics::Kind::diagonal);
  for (const std::vector<float>& g : gradients) embedding.add(g.data(), g.size() / config.hidden, pool);
  result.embedding = embedding.mean_squares();
  return result;
}

}  // namespace nibble
