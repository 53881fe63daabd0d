#include "runtime/forward.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "base/profile.h"
#include "kernels/vector_ops.h"
#include "runtime/attention.h"
#include "runtime/layer.h"
#include "runtime/rope.h"
#include "runtime/slice.h"

namespace nibble {

namespace {

/// A slice of so many tokens has the embedding's pages given back: its rows take a megabyte of them, and
/// asking costs next to nothing beside its layers.
constexpr size_t kReleaseTokens = 16;

size_t count_wanted(std::span<const BatchToken> batch) {
  return size_t(
      std::count_if(batch.begin(), batch.end(), [](const BatchToken& t) { return t.wants_logits; }));
}

}  // namespace

struct Forward::Scratch {
  explicit Scratch(const ModelConfig& config) : rope(config), attention(config) {}

  Rope rope;
  Attention attention;
  Slice slice;
  Buffers buffers;
  std::vector<uint32_t> lengths;   // [sequences of the cache], after the batch
  std::vector<TokenPlace> places;  // [tokens of the batch]
  std::vector<float> last;         // [tokens of a slice that want logits or hidden states, hidden]
  std::vector<float> logits;       // [rows, vocab]
};

Forward::Forward(std::shared_ptr<const Model> model, ThreadPool& pool)
    : model_(std::move(model)), pool_(pool), scratch_(std::make_unique<Scratch>(model_->config())) {}

Forward::~Forward() = default;

void Forward::set_isa(Isa isa) {
  scratch_->buffers.activations.set_isa(isa);
}

void Forward::place(std::span<const BatchToken> batch, const KvCache& cache) {
  const ModelConfig& config = model_->config();
  Scratch& s = *scratch_;
  s.lengths.resize(cache.sequences());
  for (uint32_t i = 0; i < cache.sequences(); ++i) s.lengths[i] = cache.length(i);
  s.places.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    const BatchToken& token = batch[i];
    if (token.sequence >= cache.sequences()) {
      throw std::logic_error("batch token of a sequence that is not in the cache");
    }
    if (token.id < 0 || uint32_t(token.id) >= config.vocab) {
      fail("token {} at index {} is outside the model's vocabulary of {} tokens", token.id, i, config.vocab);
    }
    s.places.push_back({token.sequence, s.lengths[token.sequence]++, 0});
  }
  for (TokenPlace& place : s.places) {
    place.final_length = s.lengths[place.sequence];
    if (place.final_length > config.context_length) {
      fail("{} tokens do not fit this model's context of {}: shorten the prompt, or ask for fewer new tokens",
           place.final_length, config.context_length);
    }
    if (place.final_length > cache.capacity()) {
      fail("{} tokens do not fit the context of {}: raise --context, or shorten the prompt",
           place.final_length, cache.capacity());
    }
  }
}

std::span<const float> Forward::run(std::span<const BatchToken> batch, KvCache& cache) {
  Scratch& s = *scratch_;
  const size_t vocab = model_->config().vocab;
  const size_t size = count_wanted(batch) * vocab;
  if (s.logits.size() < size) s.logits.resize(size);
  float* out = s.logits.data();
  run_slices(batch, cache, [&](std::span<const BatchToken> slice) {
    const size_t rows = collect_wanted(slice);
    compute_logits(0, rows, out);
    out += rows * vocab;
  });
  return {s.logits.data(), size};
}

void Forward::run(std::span<const BatchToken> batch, KvCache& cache,
                  const std::function<void(std::span<float>)>& on_logits,
                  const std::function<void(std::span<const float>)>& on_hidden) {
  Scratch& s = *scratch_;
  const ModelConfig& config = model_->config();
  const size_t vocab = config.vocab;
  run_slices(batch, cache, [&](std::span<const BatchToken> slice) {
    const size_t wanted = collect_wanted(slice);
    for (size_t first = 0; first < wanted; first += kMaxLogitRows) {
      const size_t rows = std::min(kMaxLogitRows, wanted - first);
      if (s.logits.size() < rows * vocab) s.logits.resize(rows * vocab);
      compute_logits(first, rows, s.logits.data());
      on_logits({s.logits.data(), rows * vocab});
    }
    if (const size_t rows = collect_wanted(slice, &BatchToken::wants_hidden); rows > 0) {
      for (size_t i = 0; i < rows; ++i) {
        float* x = &s.last[i * config.hidden];
        vector_ops().rms_norm(x, model_->output_norm().data(), config.norm_eps, x, config.hidden);
      }
      on_hidden(s.last);
    }
  });
}

void Forward::run_slices(std::span<const BatchToken> batch, KvCache& cache,
                         const std::function<void(std::span<const BatchToken>)>& after_slice) {
  place(batch, cache);
  for (uint32_t i = 0; i < cache.sequences(); ++i) cache.make_room(i, scratch_->lengths[i]);
  const std::span<const TokenPlace> places = scratch_->places;
  for (size_t first = 0; first < batch.size(); first += kMaxSlice) {
    const size_t tokens = std::min(kMaxSlice, batch.size() - first);
    run_slice(batch.subspan(first, tokens), places.subspan(first, tokens), cache);
    after_slice(batch.subspan(first, tokens));
  }
  for (uint32_t i = 0; i < cache.sequences(); ++i) cache.set_length(i, scratch_->lengths[i]);
}

void Forward::run_slice(std::span<const BatchToken> batch, std::span<const TokenPlace> places,
                        KvCache& cache) {
  const ModelConfig& config = model_->config();
  Scratch& s = *scratch_;
  OperationTimer timer(Operation::embed);
  s.slice.set(places, s.rope, s.attention.query_tokens(), pool_);
  s.buffers.resize(config, batch.size());
  pool_.parallel_for(batch.size(), rows_per_task(config.hidden), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) model_->embed(size_t(batch[t].id), &s.buffers.x[t * config.hidden]);
  });
  if (batch.size() >= kReleaseTokens) model_->release_embedding();
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    run_layer(config, model_->layers()[layer], layer, s.slice, s.rope, s.attention, cache, s.buffers, pool_);
  }
}

size_t Forward::collect_wanted(std::span<const BatchToken> batch, bool BatchToken::*wants) {
  Scratch& s = *scratch_;
  const size_t hidden = model_->config().hidden;
  s.last.clear();
  for (size_t t = 0; t < batch.size(); ++t) {
    const float* x = &s.buffers.x[t * hidden];
    if (batch[t].*wants) s.last.insert(s.last.end(), x, x + hidden);
  }
  return s.last.size() / hidden;
}

void Forward::compute_logits(size_t first, size_t rows, float* out) {
  if (rows == 0) return;
  const ModelConfig& config = model_->config();
  const OperationTimer timer(Operation::logits);
  Activations& input = scratch_->buffers.activations;
  input.set_normalized(scratch_->last.data() + first * config.hidden, model_->output_norm().data(),
                       config.norm_eps, rows, config.hidden);
  model_->output().multiply(input, out, config.vocab, pool_);
}

}  // namespace nibble
