#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "engine/engine_impl.h"
#include "engine/stop_strings.h"

namespace nibble {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Tokens to text that may be shown: whole characters, nothing of a stop string.
class TextStream {
 public:
  /// `previous` is the prompt's last token: after a control token a new text begins, and the space that
  /// SentencePiece puts before its first word is no part of it.
  TextStream(const Tokenizer* tokenizer, int32_t previous, const std::vector<std::string>& stops)
      : stops_(stops), tokenizer_(tokenizer) {
    if (!tokenizer_) return;
    const bool continues = is_text(previous) && !tokenizer_->piece(previous).empty();
    decoder_.emplace(*tokenizer_, false, continues);
  }

  std::string add(int32_t token) { return is_text(token) ? stops_.add(decoder_->add(token)) : std::string(); }
  std::string finish() {
    if (!decoder_) return {};
    std::string rest = stops_.add(decoder_->finish());
    return rest + stops_.finish();
  }
  bool stopped() const { return stops_.found(); }

 private:
  /// A model's matrix may have more rows than there are tokens.
  bool is_text(int32_t token) const { return tokenizer_ && size_t(token) < tokenizer_->size(); }

  StopStrings stops_;
  const Tokenizer* tokenizer_;
  std::optional<StreamDecoder> decoder_;
};

/// How much of the prompt the cache holds. Its last token is computed in any case, for its logits.
size_t common_prefix(std::span<const int32_t> cached, std::span<const int32_t> prompt) {
  const size_t most = std::min(cached.size(), prompt.size() - 1);
  return size_t(std::mismatch(cached.begin(), cached.begin() + ptrdiff_t(most), prompt.begin()).first -
                cached.begin());
}

void check_prompt(std::span<const int32_t> prompt, const Engine& engine) {
  if (prompt.empty()) fail("the prompt is empty: give at least one token");
  if (prompt.size() >= engine.context()) {
    fail(
        "the prompt has {} tokens, but the context is {} for it and the answer: shorten it, or raise "
        "--context (this model allows {})",
        prompt.size(), engine.context(), engine.model().config().context_length);
  }
}

/// One call of Engine::generate.
class Answer {
 public:
  Answer(const GenerateParams& params, const std::function<bool(std::string_view)>& on_text)
      : params_(params), on_text_(on_text), sampler_(params.sampling) {
    if (!params.sampling.greedy) result_.seed = sampler_.seed();
  }

  Generation generate(Engine::Impl& impl, std::span<const int32_t> prompt) {
    result_.prompt_tokens = uint32_t(prompt.size());
    auto start = Clock::now();
    const bool complete = prefill(impl, prompt);
    result_.prefill_s = seconds_since(start);
    if (complete) {
      start = Clock::now();
      decode(impl, prompt);
      result_.decode_s = seconds_since(start);
    }
    return std::move(result_);
  }

 private:
  bool emit(const std::string& text) {
    result_.text += text;
    if (!on_text_ || on_text_(text)) return true;
    result_.reason = StopReason::cancelled;
    return false;
  }

  /// False when it was cancelled.
  bool prefill(Engine::Impl& impl, std::span<const int32_t> prompt) {
    const bool one_pass = impl.needs_one_pass(std::max(impl.cached.size(), prompt.size()));
    size_t computed = one_pass ? 0 : common_prefix(impl.cached, prompt);
    result_.cached_tokens = uint32_t(computed);
    impl.conversation_cache().truncate(0, uint32_t(computed));
    impl.cached.resize(computed);
    // A slice takes about two seconds, so that a long prompt can be cancelled.
    constexpr double kSliceSeconds = 2;
    constexpr size_t kLeastSlice = 128;
    for (size_t slice = one_pass ? prompt.size() : kLeastSlice;;) {
      const auto start = Clock::now();
      const size_t n = std::min(slice, prompt.size() - computed);
      logits_ = impl.extend_conversation(prompt.subspan(computed, n), computed + n == prompt.size());
      computed += n;
      if (computed == prompt.size()) return true;
      if (!emit({})) return false;
      const double tokens_per_s = double(n) / std::max(seconds_since(start), 1e-3);
      slice = std::clamp(size_t(tokens_per_s * kSliceSeconds), kLeastSlice, Forward::kMaxSlice);
    }
  }

  void decode(Engine::Impl& impl, std::span<const int32_t> prompt) {
    TextStream text(impl.tokenizer.get(), prompt.back(), params_.stop);
    std::vector<int32_t> history(prompt.begin(), prompt.end());
    while (choose(impl, text, history)) {
      logits_ = impl.extend_conversation(std::span(history).last(1), true);
    }
    if (result_.reason == StopReason::cancelled) return;
    if (const std::string rest = text.finish(); !rest.empty()) emit(rest);
    if (text.stopped()) result_.reason = StopReason::stop_string;
  }

  /// Takes the next token from the logits; false when it is the last one.
  bool choose(const Engine::Impl& impl, TextStream& text, std::vector<int32_t>& history) {
    if (result_.tokens.size() >= params_.max_new_tokens) return stop(StopReason::max_new_tokens);
    scores_.assign(logits_.begin(), logits_.end());
    const int32_t token = sampler_.sample(scores_, {history, result_.prompt_tokens});
    history.push_back(token);
    result_.tokens.push_back(token);
    if (impl.tokenizer && impl.tokenizer->ends_answer(token)) return stop(StopReason::end_of_turn);
    if (!emit(text.add(token))) return false;
    if (text.stopped()) return stop(StopReason::stop_string);
    if (result_.tokens.size() == params_.max_new_tokens) return stop(StopReason::max_new_tokens);
    if (history.size() == impl.context) return stop(StopReason::context_full);
    return true;
  }

  bool stop(StopReason reason) {
    result_.reason = reason;
    return false;
  }

  const GenerateParams& params_;
  const std::function<bool(std::string_view)>& on_text_;
  Sampler sampler_;
  Generation result_;
  std::span<const float> logits_;  ///< [vocab], after the last token
  std::vector<float> scores_;      ///< [vocab], which sampling changes
};

}  // namespace

std::string_view stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::end_of_turn:
      return "end_of_turn";
    case StopReason::stop_string:
      return "stop_string";
    case StopReason::max_new_tokens:
      return "max_new_tokens";
    case StopReason::context_full:
      return "context_full";
    case StopReason::cancelled:
      return "cancelled";
  }
  return "unknown";
}

double Generation::prefill_tokens_per_s() const {
  return prefill_s > 0 ? (prompt_tokens - cached_tokens) / prefill_s : 0;
}

double Generation::decode_tokens_per_s() const {
  return decode_s > 0 && tokens.size() > 1 ? double(tokens.size() - 1) / decode_s : 0;
}

Generation Engine::generate(std::span<const int32_t> prompt, const GenerateParams& params,
                            const std::function<bool(std::string_view)>& on_text) {
  check_prompt(prompt, *this);
  return Answer(params, on_text).generate(*impl_, prompt);
}

}  // namespace nibble
