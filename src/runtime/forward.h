#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/kv_cache.h"
#include "runtime/model.h"

namespace nibble {

struct TokenPlace;

/// One token of a batch.
struct BatchToken {
  int32_t id = 0;
  uint32_t sequence = 0;  ///< which sequence of the cache it extends
  bool wants_logits = false;
  bool wants_hidden = false;  ///< the last layer's output after the output norm
};

/// Runs batches of tokens through a model. Tokens of one sequence stand in order; several sequences may
/// share a batch, and none changes the results of another. Bit for bit the same: a sequence in one call or
/// in many (but see Rope for dynamic NTK scaling), alone or in company, with any number of threads.
class Forward {
 public:
  Forward(std::shared_ptr<const Model> model, ThreadPool& pool);
  ~Forward();

  /// Appends the tokens to their sequences in the cache and returns the logits [n_wanted, vocab] of the
  /// tokens that want them, in batch order; valid until the next call. Throws Error when a token id is
  /// out of range, or a sequence would pass the cache's capacity or the model's context length: the
  /// message gives the counts and the flag that changes them. The cache is unchanged then.
  std::span<const float> run(std::span<const BatchToken> batch, KvCache& cache);
  /// The same for logits that would not fit memory together: on_logits gets them [rows, vocab] in batch
  /// order, at most kMaxLogitRows at once, and may change them; those of the last time stay until the next
  /// call. on_hidden gets hidden states [rows, hidden] of the tokens that
  /// want them, in batch order too, at most kMaxSlice at once.
  void run(std::span<const BatchToken> batch, KvCache& cache,
           const std::function<void(std::span<float> logits)>& on_logits,
           const std::function<void(std::span<const float> hidden)>& on_hidden = {});

  /// The widest instruction set that kernels of the weights may use, where several give the same results on
  /// the same packed bytes (Linear::multiply); by default the one selected.
  void set_isa(Isa isa);

  const Model& model() const { return *model_; }
  /// Tokens of a batch that are computed at once; longer batches are cut into such slices.
  static constexpr size_t kMaxSlice = 512;
  static constexpr size_t kMaxLogitRows = 128;

 private:
  struct Scratch;

  /// Fills scratch with the places of the tokens, or throws Error.
  void place(std::span<const BatchToken> batch, const KvCache& cache);
  void run_slice(std::span<const BatchToken> batch, std::span<const TokenPlace> places, KvCache& cache);
  void run_slices(std::span<const BatchToken> batch, KvCache& cache,
                  const std::function<void(std::span<const BatchToken> slice)>& after_slice);
  /// Collects the slice's tokens that want logits, or hidden states, in scratch; returns how many.
  size_t collect_wanted(std::span<const BatchToken> batch,
                        bool BatchToken::*wants = &BatchToken::wants_logits);
  /// The logits [rows, vocab] of collected tokens.
  void compute_logits(size_t first, size_t rows, float* out);

  std::shared_ptr<const Model> model_;
  ThreadPool& pool_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace nibble
