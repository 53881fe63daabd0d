#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/forward.h"
#include "sampling/sampler.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace nibble {

struct EngineOptions {
  int threads = 0;            ///< 0: one per physical core
  uint32_t context = 0;       ///< 0: the model's own, at most 4096 unless asked for more
  KvType kv_type = KvType::f16;
};

struct GenerateParams {
  SamplingParams sampling;
  uint32_t max_new_tokens = 512;
  std::vector<std::string> stop;  ///< the answer ends before the first of these
};

enum class StopReason { end_of_turn, stop_string, max_new_tokens, context_full, cancelled };

struct Generation {
  std::vector<int32_t> tokens;
  std::string text;
  StopReason reason = StopReason::max_new_tokens;
  uint32_t prompt_tokens = 0, cached_tokens = 0;
  double prefill_s = 0, decode_s = 0;
};

/// One question for scoring: log-probabilities of each continuation after the shared context.
struct ScoreRequest {
  std::vector<int32_t> context;                     ///< at least one token
  std::vector<std::vector<int32_t>> continuations;  ///< each at least one token
};

/// A loaded model with its tokenizer and chat template: all that the front ends see.
class Engine {
 public:
  static std::unique_ptr<Engine> load(const std::filesystem::path& model, const EngineOptions& options = {});
  ~Engine();

  const Model& model() const;
  const Tokenizer& tokenizer() const;      ///< throws Error when the checkpoint has none
  bool has_tokenizer() const;
  const ChatTemplate& chat_template() const;  ///< the model's own, else ChatML; see set_chat_template
  void set_chat_template(ChatTemplate chat_template);
  uint32_t context() const;
  ThreadPool& pool();

  /// Prompt ids of a conversation, special tokens parsed, ready for an answer.
  std::vector<int32_t> encode_chat(const std::vector<ChatMessage>& messages) const;

  /// Continues the prompt. `on_text` gets each piece of text as it is certain (never inside a character
  /// or a possible stop string) and returns false to cancel. The cache of the last call is kept: a
  /// prompt that begins the same is not computed again.
  Generation generate(std::span<const int32_t> prompt, const GenerateParams& params,
                      const std::function<bool(std::string_view)>& on_text = {});

  /// Logits [n_tokens, vocab] of one sequence, in slices: on_logits(first_position, logits [n, vocab]).
  void logits(std::span<const int32_t> tokens,
              const std::function<void(size_t first, std::span<const float> logits, size_t rows)>& on_logits);

  /// result[i][j][t] = log p(continuation j's token t | context i, its tokens before t). Questions share
  /// batches, continuations share their context's computation.
  struct TokenScore {
    float log_probability;
    bool greedy;  ///< the token was the most probable
  };
  std::vector<std::vector<std::vector<TokenScore>>> score(std::span<const ScoreRequest> requests);

 private:
  Engine();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
