#pragma once

#include <cstdint>

#include "engine/engine.h"

namespace nibble {

/// For tests: the most probable token each time, at most so many.
inline GenerateParams greedy(uint32_t tokens) {
  GenerateParams params;
  params.sampling.greedy = true;
  params.max_new_tokens = tokens;
  return params;
}

}  // namespace nibble
