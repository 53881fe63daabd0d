#include "evaluate/roofs.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>

#include "base/cpu.h"
#include "base/process.h"
#include "kernels/aligned_buffer.h"
#include "kernels/registry.h"
#include "kernels/roof_probe.h"

namespace nibble {

namespace {

using Clock = std::chrono::steady_clock;

/// Larger than what caches could hold between two passes, small enough for any machine.
constexpr size_t kLeastBuffer = 256 << 20, kMostBuffer = size_t{1} << 30;
/// The best counts, of several times apart: what else runs on the machine comes and goes.
constexpr int kRounds = 3, kReadPasses = 3, kMultiplyRuns = 3;
constexpr double kMultiplySeconds = 0.04;

/// Seconds that one call of the task on all threads takes.
template <typename Task>
double timed(ThreadPool& pool, Task task) {
  // Where the results go, so that they are computed.
  static std::atomic<uint64_t> sink;
  const auto start = Clock::now();
  pool.run([&](int thread) { sink.fetch_xor(task(thread), std::memory_order_relaxed); });
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double measure_read(const RoofProbe& probe, ThreadPool& pool) {
  const auto threads = size_t(pool.active());
  const size_t total = std::clamp(4 * cpu_info().l3_bytes, kLeastBuffer, kMostBuffer);
  const size_t part = total / threads / RoofProbe::kReadBlock * RoofProbe::kReadBlock;
  AlignedBuffer buffer(part * threads);
  const auto begin = [&](int thread) { return buffer.data() + size_t(thread) * part; };
  pool.run([&](int thread) { std::memset(begin(thread), 1, part); });
  double best = 0;
  for (int pass = 0; pass < kReadPasses; ++pass) {
    const double seconds = timed(pool, [&](int thread) { return probe.read(begin(thread), part); });
    best = std::max(best, double(part * threads) / seconds);
  }
  return best;
}

/// Operations per second of products in registers: run(rounds) makes `products` per round on each thread.
template <typename Multiply>
double measure_multiply(ThreadPool& pool, uint64_t products, Multiply multiply) {
  uint64_t rounds = 1000;
  const auto run = [&] { return timed(pool, [&](int) { return uint64_t(multiply(rounds)); }); };
  while (run() < kMultiplySeconds) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kMultiplyRuns; ++i) {
    best = std::max(best, 2.0 * double(products * rounds) * pool.active() / run());
  }
  return best;
}

/// Seconds of the products of `tokens` tokens and `logits` rows of logits.
double multiply_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits) {
  const auto seconds = [&](const WeightTraffic::Operations& operations, double per_s) {
    const double count =
        double(operations.layers) * double(tokens) + double(operations.output) * double(logits);
    return count > 0 ? count / per_s : 0;
  };
  return seconds(traffic.int8, roofs.int8_ops_per_s) + seconds(traffic.float32, roofs.float_ops_per_s);
}

Roofs measure_once(ThreadPool& pool) {
  const RoofProbe& probe = roof_probe(selected_isa());
  return {pool.active(), measure_read(probe, pool),
          measure_multiply(pool, probe.products_per_round, probe.multiply),
          measure_multiply(pool, probe.float_products_per_round, probe.multiply_float)};
}

/// 1, 2, 4, ... and `most`.
std::vector<int> thread_counts(int most) {
  std::vector<int> counts;
  for (int threads = 1; threads < most; threads *= 2) counts.push_back(threads);
  counts.push_back(most);
  return counts;
}

bool multiplies_floats(const Linear& w) {
  for (const KernelEntry& kernel : kernel_table()) {
    if (kernel.name == w.kernel_name()) return kernel.activations == ActivationForm::f32;
  }
  return true;
}

}  // namespace

Roofs measure_roofs(ThreadPool& pool) {
  std::array<Roofs, kRounds> rounds;
  for (Roofs& roofs : rounds) roofs = measure_once(pool);
  return highest(rounds);
}

std::vector<Roofs> measure_roof_steps(int threads, Affinity affinity) {
  const std::string bytes = run_in_child([&] {
    ThreadPool pool(threads, affinity);
    const std::vector<int> counts = threads > 0 ? std::vector{pool.active()} : thread_counts(pool.active());
    std::vector<Roofs> steps(counts.size());
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < counts.size(); ++i) {
        pool.set_active(counts[i]);
        steps[i] = highest(std::array{steps[i], measure_once(pool)});
      }
    }
    return std::string(reinterpret_cast<const char*>(steps.data()), steps.size() * sizeof(Roofs));
  });
  std::vector<Roofs> steps(bytes.size() / sizeof(Roofs));
  std::memcpy(steps.data(), bytes.data(), steps.size() * sizeof(Roofs));
  return steps;
}

Roofs highest(std::span<const Roofs> steps) {
  Roofs best;
  for (const Roofs& step : steps) {
    best.threads = std::max(best.threads, step.threads);
    best.read_bytes_per_s = std::max(best.read_bytes_per_s, step.read_bytes_per_s);
    best.int8_ops_per_s = std::max(best.int8_ops_per_s, step.int8_ops_per_s);
    best.float_ops_per_s = std::max(best.float_ops_per_s, step.float_ops_per_s);
  }
  return best;
}

WeightTraffic weight_traffic(const Model& model) {
  WeightTraffic traffic;
  const auto add = [&](const Linear& w, uint64_t WeightTraffic::Operations::*part) {
    traffic.bytes += tensor_bytes(w.dtype(), w.rows(), w.cols()).value_or(0);
    WeightTraffic::Operations& operations = multiplies_floats(w) ? traffic.float32 : traffic.int8;
    operations.*part += 2 * uint64_t(w.rows()) * w.cols();
  };
  for (const LayerWeights& layer : model.layers()) {
    for (const Linear* w :
         {&layer.q, &layer.k, &layer.v, &layer.attention_output, &layer.gate, &layer.up, &layer.down}) {
      add(*w, &WeightTraffic::Operations::layers);
    }
  }
  add(model.output(), &WeightTraffic::Operations::output);
  return traffic;
}

double roofline_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits) {
  return std::max(double(traffic.bytes) / roofs.read_bytes_per_s,
                  multiply_seconds(roofs, traffic, tokens, logits));
}

int choose_threads(std::span<const Roofs> steps, const WeightTraffic& traffic, uint64_t tokens,
                   uint64_t logits) {
  constexpr double kAlike = 1.02;
  const auto seconds = [&](const Roofs& step) { return roofline_seconds(step, traffic, tokens, logits); };
  double shortest = std::numeric_limits<double>::infinity();
  for (const Roofs& step : steps) shortest = std::min(shortest, seconds(step));
  int threads = std::numeric_limits<int>::max();
  for (const Roofs& step : steps) {
    if (seconds(step) <= kAlike * shortest) threads = std::min(threads, step.threads);
  }
  return threads;
}

}  // namespace nibble
