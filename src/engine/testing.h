#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/progress.h"
#include "engine/engine.h"
#include "engine/tiny_model_test.h"

/// What the tests of engine/ share.
namespace nibble {

inline std::unique_ptr<Engine> load(const TinyModel& model, uint32_t context = 0, int threads = 2) {
  Progress::set_quiet(true);
  return Engine::load(model.path(), {.threads = threads, .context = context});
}

/// Bytes of the tiny model's vocabulary.
inline std::vector<int32_t> random_tokens(std::mt19937& random, size_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t& t : tokens) t = int32_t(random() % 256);
  return tokens;
}

/// The most probable token each time, at most so many.
inline GenerateParams greedy(uint32_t tokens) {
  GenerateParams params;
  params.sampling.greedy = true;
  params.max_new_tokens = tokens;
  return params;
}

}  // namespace nibble
