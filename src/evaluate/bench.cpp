#include "evaluate/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/process.h"
#include "base/progress.h"
#include "evaluate/statistics.h"
#include "runtime/forward.h"

namespace nibble {

namespace {

/// Wall and processor time of what runs between its making and stop().
class Stopwatch {
 public:
  Stopwatch() : cpu_(process_usage().cpu_seconds), wall_(Clock::now()) {}
  void stop() {
    wall_s += std::chrono::duration<double>(Clock::now() - wall_).count();
    cpu_s += process_usage().cpu_seconds - cpu_;
  }
  double wall_s = 0, cpu_s = 0;

 private:
  using Clock = std::chrono::steady_clock;
  double cpu_;
  Clock::time_point wall_;
};

class Bench {
 public:
  Bench(const std::shared_ptr<const Model>& model, ThreadPool& pool, const BenchOptions& options,
        Progress& progress)
      : model_(*model), options_(options), forward_(model, pool), progress_(progress) {}

  Speed prefill() {
    const uint32_t tokens = options_.prompt;
    KvCache cache(model_.config(), 1, tokens);
    std::vector<BatchToken> batch;
    for (uint32_t i = 0; i < tokens; ++i) batch.push_back({random_token(), 0, i + 1 == tokens});
    return measure({tokens, 1, {}, 0, {}}, [&] {
      cache.truncate(0, 0);
      forward_.run(batch, cache);
      progress_.add(tokens, "prefill");
    });
  }

  Speed decode(uint32_t sequences) {
    const uint32_t tokens = options_.generate;
    KvCache cache(model_.config(), sequences, tokens);
    return measure({tokens, sequences, {}, 0, {}}, [&] {
      for (uint32_t s = 0; s < sequences; ++s) cache.truncate(s, 0);
      std::vector<BatchToken> batch(sequences);
      for (uint32_t t = 0; t < tokens; ++t) {
        for (uint32_t s = 0; s < sequences; ++s) batch[s] = {random_token(), s, true};
        forward_.run(batch, cache);
        progress_.add(sequences, fmt::format("decode, batch {}", sequences));
      }
    });
  }

 private:
  /// Runs once to warm up (pages, caches, clocks), then `repeat` times.
  template <typename Run>
  Speed measure(Speed speed, Run run) {
    run();
    double wall = 0, cpu = 0;
    for (uint32_t i = 0; i < options_.repeat; ++i) {
      Stopwatch watch;
      {
        const ProfileScope profile(options_.profile ? &speed.profile : nullptr);
        run();
      }
      watch.stop();
      speed.tokens_per_s.push_back(double(speed.tokens) * speed.batch / watch.wall_s);
      wall += watch.wall_s;
      cpu += watch.cpu_s;
    }
    std::sort(speed.tokens_per_s.begin(), speed.tokens_per_s.end());
    speed.cpu_percent = 100 * cpu / wall;
    return speed;
  }

  int32_t random_token() { return int32_t(splitmix64(random_) % model_.config().vocab); }

  const Model& model_;
  const BenchOptions& options_;
  Forward forward_;
  Progress& progress_;
  uint64_t random_ = 0;
};

void check_context(const Model& model, const char* flag, uint32_t tokens) {
  if (tokens > model.config().context_length) {
    fail("{} {}: more than the model's context of {} tokens", flag, tokens, model.config().context_length);
  }
}

}  // namespace

double Speed::median() const {
  return quantile(tokens_per_s, 0.5);
}

BenchResult run_bench(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                      const BenchOptions& options) {
  check_context(*model, "--prompt", options.prompt);
  check_context(*model, "--generate", options.generate);
  uint64_t total = options.prompt;
  for (const uint32_t batch : options.batches) total += uint64_t(batch) * options.generate;
  Progress progress("bench", total * (options.repeat + 1), "tokens");
  Bench bench(model, pool, options, progress);
  BenchResult result;
  if (options.prompt > 0) result.prefill.push_back(bench.prefill());
  if (options.generate == 0) return result;
  for (const uint32_t batch : options.batches) result.decode.push_back(bench.decode(batch));
  return result;
}

}  // namespace nibble
