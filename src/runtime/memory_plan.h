#pragma once

#include <cstdint>
#include <string_view>

#include "model/checkpoint.h"
#include "runtime/kv_cache.h"

namespace nibble {

/// What running a model will take, in bytes.
struct MemoryPlan {
  uint64_t weights = 0;   ///< mapped, or packed for their kernels
  uint64_t kv_cache = 0;  ///< when the context is full
  uint64_t scratch = 0;   ///< activations of the longest slice, and one token's logits
  uint64_t program = 0;   ///< code, libraries and the tokenizer
  uint64_t total() const { return weights + kv_cache + scratch + program; }
};

/// The plan for one sequence of `context` tokens, with the kernels that this machine selects.
MemoryPlan plan_memory(const Checkpoint& checkpoint, uint32_t context, KvType kv_type = KvType::f16);

}  // namespace nibble
