#include "calibrate/calibration_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/matmul_args.h"
#include "kernels/registry.h"
#include "runtime/forward.h"
#include "tensor/dequantize.h"

namespace nibble {

namespace {

ModelConfig one_layer(ModelConfig config) {
  config.n_layers = 1;
  return config;
}

std::vector<float> embed(const Checkpoint& checkpoint, const std::vector<int32_t>& tokens) {
  const TensorView& embedding = checkpoint.get("token_embd.weight");
  std::vector<float> states(tokens.size() * embedding.cols());
  for (size_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t] < 0 || uint64_t(tokens[t]) >= embedding.rows()) {
      fail("calibration: token {} is outside the model's vocabulary of {}; the tokenizer is another model's",
           tokens[t], embedding.rows());
    }
    dequantize_rows(embedding, uint64_t(tokens[t]), 1, &states[t * embedding.cols()]);
  }
  return states;
}

}  // namespace

const float* observed_values(Activations& input, ThreadPool& pool) {
  return input.form(ActivationForm::f32, 0, pool).x;
}

CalibrationRun::CalibrationRun(const Checkpoint& checkpoint, const CalibrationData& data, ThreadPool& pool)
    : checkpoint_(checkpoint),
      pool_(pool),
      config_(one_layer(checkpoint.config())),
      rope_(config_),
      attention_(config_),
      cache_(config_, 1, uint32_t(data.sequences[0].size()), KvType::f32) {
  const auto length = uint32_t(data.sequences[0].size());
  if (length > config_.context_length) {
    throw_usage("--calibration-tokens {} is more than the model's context of {}", length,
                config_.context_length);
  }
  for (const auto& sequence : data.sequences) hidden_.push_back(embed(checkpoint, sequence));
  checkpoint.release_all();
  for (uint32_t position = 0; position < length; ++position) places_.push_back({0, position, length});
  for (size_t first = 0; first < length; first += Forward::kMaxSlice) {
    const size_t tokens = std::min<size_t>(Forward::kMaxSlice, length - first);
    slices_.emplace_back().set(std::span(places_).subspan(first, tokens), rope_, attention_.query_tokens(),
                               pool);
  }
  buffers_.resize(config_, std::min<size_t>(Forward::kMaxSlice, length));
}

void CalibrationRun::run_layer(const LayerWeights& weights, bool advance, const LayerObserver* observer) {
  for (std::vector<float>& states : hidden_) {
    cache_.truncate(0, 0);
    cache_.make_room(0, uint32_t(places_.size()));
    float* x = states.data();
    for (const Slice& slice : slices_) {
      const size_t size = slice.tokens() * config_.hidden;
      std::copy_n(x, size, buffers_.x.begin());
      nibble::run_layer(config_, weights, 0, slice, rope_, attention_, cache_, buffers_, pool_, observer);
      if (advance) std::copy_n(buffers_.x.begin(), size, x);
      x += size;
    }
    cache_.set_length(0, uint32_t(places_.size()));
  }
}

void CalibrationRun::observe_output(FunctionRef<void(const float*, size_t)> observer) {
  const std::vector<float> norm = load_vector(checkpoint_, "output_norm.weight");
  Activations input;
  for (const std::vector<float>& states : hidden_) {
    const size_t tokens = states.size() / config_.hidden;
    input.set_normalized(states.data(), norm.data(), config_.norm_eps, tokens, config_.hidden);
    observer(observed_values(input, pool_), tokens);
  }
}

void CalibrationRun::save_to(RunState::Arrays& arrays, const std::string& name) const {
  for (size_t i = 0; i < hidden_.size(); ++i) arrays.emplace_back(fmt::format("{}.{}", name, i), hidden_[i]);
}

void CalibrationRun::take_from(RunState& state, const std::string& name) {
  for (size_t i = 0; i < hidden_.size(); ++i) {
    hidden_[i] = state.take(fmt::format("{}.{}", name, i), hidden_[i].size());
  }
}

}  // namespace nibble
