#include "runtime/memory_plan.h"

#include <algorithm>

#include "runtime/forward.h"
#include "runtime/packed_layout.h"

namespace nibble {

namespace {

/// As Model holds them: matrices packed or mapped, vectors as float32. Of an embedding that is not the output
/// matrix too, a token reads one row of the file.
uint64_t weight_bytes(const Checkpoint& checkpoint) {
  const PackedLayout layout(checkpoint);
  uint64_t bytes = layout.bytes + layout.mapped;
  for (const TensorView& tensor : checkpoint.tensors()) {
    if (tensor.shape.size() < 2) bytes += tensor.elements() * sizeof(float);
  }
  return bytes;
}

/// The buffers of a slice (runtime/slice.h), its quantized activations and the logits of one token.
uint64_t scratch_bytes(const ModelConfig& c, uint64_t tokens) {
  constexpr uint64_t kQuantizedBytes = 4;  // per element: int8, int16, and scales and sums of groups
  const uint64_t q = uint64_t(c.n_heads) * c.head_dim, kv = uint64_t(c.n_kv_heads) * c.head_dim;
  const uint64_t floats = 3 * uint64_t(c.hidden) + 2 * q + 2 * kv + 2 * uint64_t(c.ffn);
  const uint64_t widest = std::max({uint64_t(c.hidden), q, uint64_t(c.ffn)});
  return tokens * (floats * sizeof(float) + widest * kQuantizedBytes) + uint64_t(c.vocab) * sizeof(float);
}

/// Measured: the pages of the program and its libraries that a run touches, and what a tokenizer of 49,152
/// tokens and its merges takes. Models without a tokenizer have none of the second.
uint64_t program_bytes(const Checkpoint& checkpoint) {
  constexpr uint64_t kProgram = 7 << 20, kBytesPerToken = 230;
  const bool tokenizer =
      !checkpoint.gguf() || checkpoint.gguf()->metadata().contains("tokenizer.ggml.tokens");
  return kProgram + (tokenizer ? uint64_t(checkpoint.config().vocab) * kBytesPerToken : 0);
}

}  // namespace

MemoryPlan plan_memory(const Checkpoint& checkpoint, uint32_t context, KvType kv_type) {
  const ModelConfig& config = checkpoint.config();
  MemoryPlan plan;
  plan.weights = weight_bytes(checkpoint);
  plan.kv_cache = KvCache::bytes_for(config, 1, context, kv_type);
  plan.scratch = scratch_bytes(config, std::min<uint64_t>(context, Forward::kMaxSlice));
  plan.program = program_bytes(checkpoint);
  return plan;
}

}  // namespace nibble
