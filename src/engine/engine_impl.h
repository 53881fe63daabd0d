#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "engine/engine.h"
#include "engine/step_times.h"

namespace nibble {

class Batcher;

/// The state behind Engine, shared by the files that implement it.
struct Engine::Impl {
  Impl(const std::shared_ptr<const Checkpoint>& checkpoint, const EngineOptions& options);

  ~Impl();

  /// The steps of Engine::generate with at least so many sequences at once, kept for the next call: it knows
  /// the tokens of the last ones.
  Batcher& conversation(uint32_t sequences);
  /// An empty cache for passing work with at least this room, kept for the next call.
  KvCache& work_cache(uint32_t sequences, uint32_t capacity);
  /// Throws Error when it can't be read, or has other tokens.
  void load_draft(const std::filesystem::path& path);
  /// Dynamic NTK scaling turns the positions of a sequence by its whole length, so that it is computed at
  /// once or not as it is defined.
  bool needs_one_pass(size_t length) const;

  KvType kv_type;
  uint32_t context;
  ThreadPool pool;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  Forward forward;

  std::shared_ptr<StepTimes> step_times = std::make_shared<StepTimes>();
  std::unique_ptr<Forward> draft;  ///< of the draft model; null without one

  std::unique_ptr<Batcher> conversation_;
  std::unique_ptr<KvCache> work;

  mutable std::once_flag token_table_made;
  mutable std::shared_ptr<const TokenTable> token_table;

  std::optional<ChatTemplate> chat_template;  ///< the one set or parsed
  bool template_set = false;
};

}  // namespace nibble
