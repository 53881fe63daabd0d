#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine.h"

namespace nibble {

/// The state behind Engine, shared by the files that implement it.
struct Engine::Impl {
  Impl(const std::shared_ptr<const Checkpoint>& checkpoint, const EngineOptions& options);

  /// The cache of conversations, made when first needed.
  KvCache& conversation_cache();
  /// An empty cache for passing work with at least this room, kept for the next call.
  KvCache& work_cache(uint32_t sequences, uint32_t capacity);
  /// Dynamic NTK scaling turns the positions of a sequence by its whole length, so that it is computed at
  /// once or not as it is defined.
  bool needs_one_pass(size_t length) const;
  /// Appends tokens to the conversation, and returns the last one's logits [vocab] when `last` asks.
  std::span<const float> extend_conversation(std::span<const int32_t> tokens, bool last);

  KvType kv_type;
  uint32_t context;
  ThreadPool pool;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  Forward forward;

  std::unique_ptr<KvCache> conversation, work;
  std::vector<int32_t> cached;  ///< the tokens in the conversation's cache

  std::optional<ChatTemplate> chat_template;  ///< the one set or parsed
  bool template_set = false;
};

}  // namespace nibble
