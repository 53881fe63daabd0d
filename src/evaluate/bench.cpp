#include "evaluate/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <span>

#include "base/error.h"
#include "base/process.h"
#include "base/progress.h"
#include "evaluate/roofs.h"
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

/// Of each setting tried: long enough for several passes of a small model, and one of a large one.
constexpr int kTrialRounds = 4;
constexpr double kTrialSeconds = 0.05;
constexpr uint32_t kTrialTokens = 64;

class Bench {
 public:
  Bench(const std::shared_ptr<const Model>& model, ThreadPool& pool, const BenchOptions& options,
        Progress& progress)
      : model_(*model), pool_(pool), options_(options), forward_(model, pool), progress_(progress) {}

  Speed prefill() {
    const uint32_t tokens = options_.prompt;
    KvCache cache(model_.config(), 1, tokens, options_.kv_type);
    std::vector<BatchToken> batch;
    for (uint32_t i = 0; i < tokens; ++i) batch.push_back({random_token(), 0, i + 1 == tokens});
    // Some tokens tell as much as all, and a slow machine would take minutes for them.
    const uint32_t part = std::min(tokens, kTrialTokens);
    const PassSetting setting = choose(part, 1, [&] {
      cache.truncate(0, 0);
      forward_.run(std::span(batch).last(part), cache);
    });
    Speed speed{tokens, 1, 0, setting, kernel_names(model_, setting.isa), {}, {}, 0, 0, {}};
    measure(
        speed,
        [&] {
          cache.truncate(0, 0);
          forward_.run(batch, cache);
          progress_.add(tokens, "prefill");
        },
        [](double) {});
    return speed;
  }

  Speed decode(uint32_t sequences) {
    const uint32_t tokens = options_.generate;
    KvCache cache(model_.config(), sequences, options_.depth + tokens, options_.kv_type);
    for (uint32_t s = 0; s < sequences; ++s) fill(cache, s);
    std::vector<BatchToken> batch(sequences);
    const auto decode_token = [&] {
      for (uint32_t s = 0; s < sequences; ++s) batch[s] = {random_token(), s, true};
      forward_.run(batch, cache);
    };
    const auto begin = [&] {
      for (uint32_t s = 0; s < sequences; ++s) cache.truncate(s, options_.depth);
    };
    const PassSetting setting = choose(sequences, sequences, [&] {
      begin();
      decode_token();
    });
    const auto kernels = kernel_names(model_, setting.isa);
    const uint64_t bytes = KvCache::bytes_for(model_.config(), 1, kKvBlock, options_.kv_type) / kKvBlock *
                           (options_.depth + tokens / 2);
    Speed speed{tokens, sequences, options_.depth, setting, kernels, {}, {}, 0, bytes, {}};
    measure(
        speed,
        [&] {
          begin();
          for (uint32_t t = 0; t < tokens; ++t) {
            decode_token();
            progress_.add(sequences, fmt::format("decode, batch {}", sequences));
          }
        },
        [&](double wall_s) { speed.of_reading.push_back(seconds_to_read(model_, pool_) * tokens / wall_s); });
    std::sort(speed.of_reading.begin(), speed.of_reading.end());
    return speed;
  }

 private:
  void use(const PassSetting& setting) {
    pool_.set_active(setting.threads);
    forward_.set_isa(setting.isa);
  }

  /// Tries all settings for passes of that size, in turn and several times, so that what else happens on the
  /// machine meets all alike, and leaves the best in use: the shortest time of each counts.
  template <typename Pass>
  PassSetting choose(uint32_t tokens, uint32_t logits, Pass pass) {
    std::vector<PassSetting> settings{{pool_.active(), selected_isa()}};
    if (options_.settings) settings = options_.settings(tokens, logits);
    use(settings[0]);
    if (settings.size() == 1) return settings[0];
    pass();
    std::vector<double> seconds(settings.size(), std::numeric_limits<double>::infinity());
    for (int round = 0; round < kTrialRounds; ++round) {
      for (size_t i = 0; i < settings.size(); ++i) {
        use(settings[i]);
        for (double total = 0; total < kTrialSeconds;) {
          Stopwatch watch;
          pass();
          watch.stop();
          seconds[i] = std::min(seconds[i], watch.wall_s);
          total += watch.wall_s;
        }
      }
    }
    const PassSetting best = settings[best_setting(settings, seconds)];
    use(best);
    return best;
  }

  /// Runs once to warm up (pages, caches, clocks), then `repeat` times, with after(its wall seconds) behind
  /// each.
  template <typename Run, typename After>
  void measure(Speed& speed, Run run, After after) {
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
      after(watch.wall_s);
    }
    std::sort(speed.tokens_per_s.begin(), speed.tokens_per_s.end());
    speed.cpu_percent = 100 * cpu / wall;
  }

  /// Puts `depth` tokens of random keys and values into the cache: what they are does not change the time
  /// that reading them takes, and computing them would take long.
  void fill(KvCache& cache, uint32_t sequence) {
    const ModelConfig& config = model_.config();
    std::vector<float> values(2 * size_t(config.n_kv_heads) *
                              config.head_dim);  // [key and value, heads, dim]
    for (float& v : values) v = float(splitmix64(random_) >> 40) / float(1 << 23) - 1.0f;
    cache.make_room(sequence, options_.depth);
    for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
      for (uint32_t t = 0; t < options_.depth; ++t) {
        cache.append(layer, sequence, t, values.data(), values.data() + values.size() / 2);
      }
    }
    cache.set_length(sequence, options_.depth);
  }

  int32_t random_token() { return int32_t(splitmix64(random_) % model_.config().vocab); }

  const Model& model_;
  ThreadPool& pool_;
  const BenchOptions& options_;
  Forward forward_;
  Progress& progress_;
  uint64_t random_ = 0;
};

void check_context(const Model& model, const char* flag, uint64_t tokens) {
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
  check_context(*model, options.depth > 0 ? "--depth and --generate" : "--generate",
                uint64_t(options.depth) + options.generate);
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
