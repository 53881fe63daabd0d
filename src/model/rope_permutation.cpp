#include "model/rope_permutation.h"

namespace nibble {

bool needs_row_permutation(const ModelConfig& config, std::string_view name) {
  if (config.architecture != "llama" || config.rope.layout != RopeLayout::halves) return false;
  return name.ends_with(".attn_q.weight") || name.ends_with(".attn_k.weight") ||
         name.ends_with(".attn_q.bias") || name.ends_with(".attn_k.bias");
}

}  // namespace nibble
