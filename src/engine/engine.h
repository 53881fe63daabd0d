#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/forward.h"
#include "sampling/beam_params.h"
#include "sampling/sampler.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace nibble {

class Grammar;
class TokenTable;

struct EngineOptions {
  int threads = 0;  ///< 0: one per physical core
  Affinity affinity = Affinity::none;
  uint32_t context = 0;  ///< 0: the model's own, at most 4096 unless asked for more
  KvType kv_type = KvType::f16;
  bool needs_tokenizer = false;  ///< refuse a model without one before its weights are read
  /// A small model with the same tokens, which drafts what this one checks; none when empty.
  std::filesystem::path draft_model;
};

/// Whether tokens are drafted and then checked together; it never changes an answer. `always` drafts also
/// where that does not pay: for tests and measurements.
enum class Speculation { automatic, off, always };

struct GenerateParams {
  SamplingParams sampling;
  uint32_t max_new_tokens = 512;
  std::vector<std::string> stop;  ///< the answer ends before the first of these
  BeamParams beams;
  std::shared_ptr<const Grammar> grammar;  ///< what the answer must look like; none: anything
  Speculation speculation = Speculation::automatic;
  uint32_t choices = 1;   ///< answers, sampled independently: choice i with seed + i
  int top_logprobs = -1;  ///< so many of the most probable tokens beside each; -1: no log-probabilities
  bool prompt_logprobs = false;  ///< of the prompt's tokens too
};

/// The most that top_logprobs may be.
constexpr int kMaxTopLogprobs = 20;

/// A token and its natural log-probability as the model gave it, before any of the sampling parameters.
struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
  std::vector<std::pair<int32_t, float>> top;  ///< the most probable tokens, best first
};

enum class StopReason { end_of_turn, stop_string, max_new_tokens, context_full, cancelled };
std::string_view stop_reason_name(StopReason reason);  ///< as the enumerator is spelled

struct Generation {
  std::vector<int32_t> tokens;  ///< as they were chosen, the one that ended the answer included
  std::string text;             ///< without control tokens and stop strings
  StopReason reason = StopReason::max_new_tokens;
  std::optional<uint64_t> seed;                   ///< that repeats this answer; greedy ones have none
  std::optional<double> score;                    ///< of a beam search's answer, by which they are ranked
  uint32_t drafted = 0, accepted = 0;             ///< tokens of speculation, of all choices together
  uint32_t prompt_tokens = 0, cached_tokens = 0;  ///< the cached ones had been computed before
  double prefill_s = 0, decode_s = 0;             ///< up to the first token, and from there

  double prefill_tokens_per_s() const;
  double decode_tokens_per_s() const;  ///< 0 when there was nothing to measure
};

/// One question for scoring: log-probabilities of each continuation after the shared context.
struct ScoreRequest {
  std::vector<int32_t> context;                     ///< at least one token
  std::vector<std::vector<int32_t>> continuations;  ///< each at least one token
};

/// What the engine holds in memory, of its model and the draft model together.
struct EngineMemory {
  uint64_t weight_bytes, cache_bytes;
};

/// A loaded model with its tokenizer and chat template: all that the front ends see. Calls must not
/// overlap: one conversation at a time.
class Engine {
 public:
  /// Throws Error when the model can't be read or lacks the tokenizer that is needed, or the draft model has
  /// other tokens; UsageError when a context is asked for that it was not made for.
  static std::unique_ptr<Engine> load(const std::filesystem::path& model, const EngineOptions& options = {});
  ~Engine();

  const Model& model() const;
  bool has_tokenizer() const;
  const Tokenizer& tokenizer() const;  ///< throws Error when the checkpoint has none
  /// What grammars are made over. Throws Error when the checkpoint has no tokenizer. Any thread may call.
  std::shared_ptr<const TokenTable> token_table() const;
  bool has_chat_template() const;  ///< the model brings one, or one was set
  /// The one set, else the model's own, else ChatML. Throws Error when the model's can't be parsed.
  const ChatTemplate& chat_template() const;
  void set_chat_template(ChatTemplate chat_template);
  void use_own_chat_template();
  uint32_t context() const;  ///< tokens that a prompt and its answer may have together
  ThreadPool& pool();
  EngineMemory memory() const;

  /// Prompt ids of a conversation, special tokens parsed, ready for an answer. A begin token that the
  /// vocabulary asks for is put first when the template does not write it.
  std::vector<int32_t> encode_chat(const std::vector<ChatMessage>& messages) const;

  /// Continues the prompt. `on_text` gets each piece of text as it is certain (never inside a character
  /// or a possible stop string), and an empty one after work that gave none; it returns false to cancel.
  /// Tokens of earlier calls' prompts and answers that this prompt begins with are not computed again.
  /// Throws Error for an empty prompt, or one that leaves no room in the context.
  Generation generate(std::span<const int32_t> prompt, const GenerateParams& params,
                      const std::function<bool(std::string_view)>& on_text = {});
  /// All answers that the parameters ask for, in the order of their choices; `on_text` gets the first one's
  /// text.
  std::vector<Generation> generate_choices(std::span<const int32_t> prompt, const GenerateParams& params,
                                           const std::function<bool(std::string_view)>& on_text = {});

  /// Logits of one sequence from position `from` on, in slices: on_logits(first_position,
  /// logits [rows, vocab], rows). The positions before are computed without the output matrix.
  void logits(std::span<const int32_t> tokens,
              const std::function<void(size_t first, std::span<const float> logits, size_t rows)>& on_logits,
              size_t from = 0);

  struct TokenScore {
    double log_probability;  ///< natural logarithm
    bool greedy;             ///< the token was the most probable
  };
  /// result[i][j][t] = log p(continuation j's token t | context i, its tokens before t). Questions share
  /// batches, continuations their context's computation, and both what they begin with; nothing of it
  /// changes the result. More questions in a call share more. on_scored(n): n more questions are done.
  std::vector<std::vector<std::vector<TokenScore>>> score(std::span<const ScoreRequest> requests,
                                                          const std::function<void(size_t)>& on_scored = {});

  struct Impl;

 private:
  friend class Scheduler;
  Engine();
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
