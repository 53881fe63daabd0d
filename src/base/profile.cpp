#include "base/profile.h"

namespace nibble {

const char* operation_name(Operation operation) {
  static constexpr std::array<const char*, kOperations> kNames = {
      "other",   "embed", "quantize", "qkv", "rope_cache", "attention", "attention_output",
      "gate_up", "down",  "logits"};
  return kNames[size_t(operation)];
}

}  // namespace nibble
