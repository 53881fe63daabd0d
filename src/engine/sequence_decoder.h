#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/draft_pool.h"
#include "engine/scheduler.h"
#include "engine/sequence_pool.h"

namespace nibble {

/// What computes one running answer, or several that are searched together, from the end of the prompt on.
/// In every step it says which tokens it wants to run and which logits to see, and then takes those.
///
///   begin, consume (the row after the prompt), settle, then, until it has ended: plan, consume, settle;
///   leave.
class SequenceDecoder {
 public:
  virtual ~SequenceDecoder() = default;

  /// Sequences of the cache that it uses.
  virtual uint32_t sequences() const { return 1; }
  /// Each of the sequences holds the prompt. `drafts`: null without a draft model.
  virtual void begin(std::span<const uint32_t> sequences, DraftPool* drafts) = 0;
  /// Adds the tokens of the next step to the batch. No sequence may become longer than the request's
  /// prompt and most new tokens. A sequence that SequencePool::longest_shared() is passed on takes one token
  /// in a step: several would be computed as if all were there.
  virtual void plan(std::vector<BatchToken>& batch) = 0;
  /// Takes the logits [rows, vocab] of the tokens that wanted them, in order; it may change them. Decoders
  /// do so at the same time on several threads: it changes nothing but itself.
  virtual void consume(std::span<float> logits, size_t vocab) = 0;
  /// One at a time, after all consumed: takes back tokens, lets beams change places.
  virtual void settle(SequencePool& pool) { static_cast<void>(pool); }
  /// Its sequences are taken back: what else it holds of the caches goes too. One at a time as settle.
  virtual void leave() {}
  virtual bool ended() const = 0;
  /// Ends it with StopReason::cancelled.
  virtual void cancel() = 0;
  /// What came since the last call.
  virtual void take_pieces(std::vector<AnswerPiece>& pieces) = 0;
  /// Adds up in drafted and accepted.
  virtual void count_drafts(RequestUsage& usage) const { static_cast<void>(usage); }
};

}  // namespace nibble
