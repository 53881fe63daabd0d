#include "base/profile.h"

namespace nibble {

const char* operation_name(Operation operation) {
  static constexpr std::array<const char*, kOperations> kNames = {
      "other",   "embed", "norm", "quantize", "qkv",   "rope_cache", "attention", "attention_output",
      "gate_up", "silu",  "down", "residual", "logits"};
  return kNames[size_t(operation)];
}

}  // namespace nibble
