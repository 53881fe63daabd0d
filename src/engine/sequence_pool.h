#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/forward.h"
#include "runtime/kv_cache.h"

namespace nibble {

/// What a request needs of the cache at most.
struct CacheDemand {
  uint32_t sequences = 1;    ///< answers or beams
  uint32_t prompt = 0;       ///< tokens that they share
  uint32_t most_tokens = 0;  ///< of each one, with the prompt
  bool reuses = true;        ///< the prompt's tokens may come from what is there
};

/// The sequences of a KV cache with the tokens they hold: those that run, and those of ended answers, kept
/// until their memory or their place is needed, the least recently used first. A sequence that begins like
/// another one shares its blocks.
///
/// What runs never lacks a block: a request is admitted when the blocks of all running sequences, each grown
/// to its most tokens, and its own fit the pool (fits). The alternative, to take back an answer's blocks
/// when memory runs out and to compute them again, fills the memory better but makes answers halt in the
/// middle; and what is reserved but not used meanwhile holds kept tokens.
class SequencePool {
 public:
  /// `running` sequences at once of at most `capacity` tokens, in `blocks` blocks.
  SequencePool(Forward& forward, uint32_t running, uint32_t capacity, uint32_t blocks, KvType type);

  /// Throws Error that says what to change when the pool could not hold it even when empty.
  void check(const CacheDemand& demand) const;
  bool fits(const CacheDemand& demand, std::span<const int32_t> prompt) const;

  /// A running sequence that holds as much of the prompt's beginning as is known, its last token excepted.
  /// The demand must fit.
  uint32_t begin(const CacheDemand& demand, std::span<const int32_t> prompt);
  /// Lengthens the beginning by what has become known since.
  void reuse(uint32_t sequence, std::span<const int32_t> prompt);
  /// Another running sequence that holds the same, one of those that begin() was told of.
  uint32_t fork(uint32_t from);
  /// Makes one running sequence the same as another, of the same request.
  void replace(uint32_t sequence, uint32_t by);
  /// Takes back the tokens from `length` on.
  void truncate(uint32_t sequence, uint32_t length);
  /// No longer runs: its tokens are kept if they may be of use.
  void end(uint32_t sequence);

  std::span<const int32_t> tokens(uint32_t sequence) const { return slots_[sequence].tokens; }

  /// Forward::run with these sequences, after blocks were found for them.
  void run(std::span<const BatchToken> batch, const std::function<void(std::span<float> logits)>& on_logits,
           const std::function<void(std::span<const float> hidden)>& on_hidden);

  /// Dynamic NTK scaling turns the positions of a sequence by its whole length, so that what is longer than
  /// this is computed at once and shares nothing; otherwise the largest number.
  uint32_t longest_shared() const { return longest_shared_; }
  uint32_t running() const { return running_; }
  uint32_t max_running() const { return max_running_; }
  const KvCache& cache() const { return cache_; }

 private:
  enum class Use : uint8_t { free, runs, kept };
  struct Slot {
    Use use = Use::free;
    std::vector<int32_t> tokens;
    uint32_t most_tokens = 0;
    uint32_t forks = 0, fork_blocks = 0;  ///< to come, and what each one needs of its own
    uint64_t last_use = 0;
  };
  struct Match {
    uint32_t slot = 0;
    uint32_t length = 0;  ///< 0: none
  };

  Match best_match(std::span<const int32_t> prompt) const;
  uint32_t take_slot();  ///< runs from now on
  /// Gives up the kept sequence that was not used for the longest time; false when there is none.
  bool evict();
  void clear(uint32_t slot);
  void make_space(std::span<const BatchToken> batch);

  Forward& forward_;
  uint32_t max_running_, longest_shared_, running_ = 0;
  KvCache cache_;
  std::vector<Slot> slots_;  ///< one for each sequence of the cache
  uint64_t clock_ = 0;
  std::vector<uint32_t> added_;  ///< [slots], tokens of the batch at hand
};

}  // namespace nibble
