#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/draft_pool.h"
#include "engine/engine_impl.h"
#include "engine/running_request.h"
#include "engine/sequence_pool.h"

namespace nibble {

/// Steps the model for any number of requests. A step is one batch: the tokens that running answers want,
/// and slices of the prompts of those that have not begun. One thread at a time.
class Batcher {
 public:
  /// `running` sequences at once, with so many blocks of keys and values; as many at most for a draft model.
  Batcher(Engine::Impl& engine, uint32_t running, uint32_t blocks);

  /// Throws Error when it could never be added.
  void check(const RunningRequest& request) const { pool_.check(request.demand()); }
  bool fits(const RunningRequest& request) const { return pool_.fits(request.demand(), request.prompt()); }
  /// It takes part in the steps, until it has ended; it must stay where it is, and must fit.
  void add(RunningRequest& request);
  void cancel(RunningRequest& request);
  /// Computes the next batch, and lets the requests take what came of it. A request whose scores cannot be
  /// used fails; the others go on.
  void step();

  bool empty() const { return requests_.empty(); }
  const SequencePool& pool() const { return pool_; }
  const DraftPool* drafts() const { return drafts_.get(); }  ///< null without a draft model
  /// Tokens so far: put through the model, chosen, and of prompts, taken from the cache.
  uint64_t computed() const { return computed_; }
  uint64_t generated() const { return generated_; }
  uint64_t reused() const { return reused_; }

 private:
  /// A row of the batch's logits.
  struct Row {
    RunningRequest* request;
    size_t prompt_position;  ///< of the token; kNone: a decoder's
    size_t first, decoders;  ///< rows of logits_: one for each decoder that takes the row
  };
  /// What a decoder takes of a step: `count` rows of the batch's from `row` on; of one that several decoders
  /// take, the copy of this number.
  struct Share {
    RunningRequest* request;
    SequenceDecoder* decoder;
    size_t row, count, copy = 0;
  };
  static constexpr size_t kNone = size_t(-1);

  void plan_answers();
  void plan_prompts();
  void plan_prompt(RunningRequest& request, size_t tokens);
  /// Those in their prompt whose turn it is, in the order in which they came.
  std::vector<RunningRequest*> next_prompts();
  size_t prompt_tokens(size_t prompts) const;
  void run();
  void take_logits(std::span<float> logits, std::span<const Row> rows);
  std::span<float> logits_of(const Share& share);
  void consume();
  void settle();

  Engine::Impl& engine_;
  SequencePool pool_;
  std::unique_ptr<DraftPool> drafts_;
  std::vector<RunningRequest*> requests_;  ///< in the order in which they were added
  std::vector<BatchToken> batch_;
  std::vector<Row> rows_;                  ///< of the tokens that want logits
  std::vector<RunningRequest*> hidden_;    ///< of the tokens that want hidden states
  std::vector<RunningRequest*> complete_;  ///< whose prompt ends in this step
  std::vector<Share> shares_;
  /// [rows_, vocab] as Forward has them, when they came all together: each row's first decoder takes it
  /// there.
  std::span<float> in_place_;
  std::vector<float> logits_;  ///< [rows, vocab] of the others
  size_t logit_rows_ = 0;
  double tokens_per_s_ = 0;  ///< of the last step that had a prompt's tokens
  uint64_t computed_ = 0, generated_ = 0, reused_ = 0;
  std::mutex failing_;
};

}  // namespace nibble
