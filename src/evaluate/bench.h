#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/profile.h"
#include "base/thread_pool.h"
#include "evaluate/pass_setting.h"
#include "runtime/kv_cache.h"
#include "runtime/model.h"

namespace nibble {

struct BenchOptions {
  uint32_t prompt = 512;                ///< tokens of prefill; 0: none
  uint32_t generate = 64;               ///< tokens decoded; 0: none
  std::vector<uint32_t> batches = {1};  ///< sequences that decode together
  uint32_t depth = 0;                   ///< tokens that each sequence holds before it decodes
  KvType kv_type = KvType::f16;
  uint32_t repeat = 3;
  bool profile = false;  ///< find out where the time goes
  /// What to choose from, by measuring, for passes over so many tokens with so many rows of logits; none:
  /// all runs as it would anyway.
  std::function<std::vector<PassSetting>(uint32_t tokens, uint32_t logits)> settings;

  /// Lowers lengths that nobody asked for to what the context allows.
  void fit_defaults(uint32_t context, bool prompt_given, bool generate_given) {
    if (!prompt_given) prompt = std::min(prompt, context);
    if (!generate_given) generate = std::min(generate, context - std::min(depth, context));
  }
};

/// Speed of repeated runs, in tokens per second: of all sequences of the batch together.
struct Speed {
  uint32_t tokens = 0;  ///< per run and sequence
  uint32_t batch = 1;
  uint32_t depth = 0;
  PassSetting setting;
  std::vector<std::string> kernels;  ///< of the weights, those of most weights first
  std::vector<double> tokens_per_s;  ///< of each run, ascending
  std::vector<double> of_reading;    ///< decode: time of reading the weights, measured after each run, over
                                     ///< that of a step, ascending
  double cpu_percent = 0;            ///< processor time over wall time; 100 is one core at work
  uint64_t cache_bytes = 0;          ///< of keys and values that a token reads, in the middle of a run
  Profile profile;                   ///< of all runs together; zero without BenchOptions::profile
  double median() const;
};

struct BenchResult {
  std::vector<Speed> prefill, decode;
};

/// Measures with random tokens, so that no tokenizer is needed. Throws Error when the model's context is
/// shorter than the prompt or the generation.
BenchResult run_bench(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                      const BenchOptions& options);

}  // namespace nibble
