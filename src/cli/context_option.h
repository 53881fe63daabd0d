#pragma once

#include <cstdint>

#include "base/error.h"
#include "model/model_config.h"

namespace nibble {

/// Refuses a --context that is longer than the model's.
inline void check_context(uint32_t context, const ModelConfig& model) {
  if (context > model.context_length) {
    throw_usage("--context {} is more than the model's {}", context, model.context_length);
  }
}

}  // namespace nibble
