#include "calibrate/self_text.h"

#include <algorithm>
#include <random>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/progress.h"
#include "runtime/forward.h"
#include "sampling/sampler.h"

namespace nibble {

namespace {

/// Tokens after the random one that are chosen greedily, as in LLM-QAT.
constexpr uint32_t kGreedy = 3;

/// One sequence that is being written.
class Writer {
 public:
  Writer(const Vocabulary& vocabulary, uint64_t seed)
      : vocabulary_(vocabulary), random_(seed), sampler_({.top_k = 0, .seed = random_() | 1}) {
    begin_text();
  }

  const std::vector<int32_t>& tokens() const { return tokens_; }
  void extend(std::span<float> logits) {
    if (pending_ > 0) {  // the text's given beginning is longer than one token
      tokens_.push_back(beginning_[beginning_.size() - pending_--]);
      return;
    }
    const bool greedy = since_begin_++ < kGreedy;
    // Sampling does not look at the history: its penalty is off.
    const int32_t token = greedy ? int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin())
                                 : sampler_.sample(logits, {});
    tokens_.push_back(token);
    if (token == vocabulary_.eos || size_t(token) >= vocabulary_.tokens.size()) begin_text();
  }

 private:
  /// The first token is written at once; the others come where their predecessors' logits do.
  void begin_text() {
    beginning_.clear();
    if (vocabulary_.add_bos && vocabulary_.bos) beginning_.push_back(*vocabulary_.bos);
    beginning_.push_back(random_token());
    pending_ = beginning_.size();
    since_begin_ = 0;
    if (tokens_.empty()) tokens_.push_back(beginning_[beginning_.size() - pending_--]);
  }
  int32_t random_token() {
    for (;;) {
      const size_t token = size_t(random_() % vocabulary_.tokens.size());
      if (vocabulary_.types.empty() || vocabulary_.types[token] == TokenType::normal) return int32_t(token);
    }
  }

  const Vocabulary& vocabulary_;
  std::mt19937_64 random_;
  Sampler sampler_;
  std::vector<int32_t> tokens_, beginning_;
  size_t pending_ = 0;  ///< of the beginning
  uint32_t since_begin_ = 0;
};

void check(const Checkpoint& checkpoint, const Vocabulary& vocabulary, const CalibrationOptions& options) {
  const uint32_t most = checkpoint.config().context_length;
  if (options.tokens > most) {
    throw_usage("--calibration-tokens {} is more than the model's context of {}", options.tokens, most);
  }
  const auto& types = vocabulary.types;
  const auto normal = std::count(types.begin(), types.end(), TokenType::normal);
  if (vocabulary.tokens.empty() || (!types.empty() && normal == 0)) {
    fail(
        "{}: the vocabulary has no normal tokens for the model to begin a text with; give a --calibration "
        "file",
        checkpoint.path().string());
  }
}

}  // namespace

CalibrationData generate_calibration(std::shared_ptr<const Checkpoint> checkpoint,
                                     const Vocabulary& vocabulary, const CalibrationOptions& options,
                                     uint64_t seed, ThreadPool& pool) {
  check(*checkpoint, vocabulary, options);
  const ModelConfig& config = checkpoint->config();
  KvCache cache(config, options.sequences, options.tokens);
  Forward forward(Model::load(std::move(checkpoint), pool), pool);
  std::vector<Writer> writers;
  for (uint32_t i = 0; i < options.sequences; ++i) writers.emplace_back(vocabulary, seed * 1000003 + i);
  Progress progress("Writing calibration text", uint64_t(options.sequences) * options.tokens, "tokens");
  std::vector<BatchToken> batch(options.sequences);
  std::vector<float> logits;
  for (uint32_t t = 1; t < options.tokens; ++t) {
    for (uint32_t i = 0; i < options.sequences; ++i) batch[i] = {writers[i].tokens().back(), i, true};
    const std::span<const float> result = forward.run(batch, cache);
    logits.assign(result.begin(), result.end());
    pool.parallel_for(options.sequences, 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        writers[i].extend(std::span(logits).subspan(i * config.vocab, config.vocab));
      }
    });
    progress.add(options.sequences);
  }
  CalibrationData data{"self", {}};
  for (const Writer& writer : writers) data.sequences.push_back(writer.tokens());
  return data;
}

}  // namespace nibble
