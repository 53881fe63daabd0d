#include "evaluate/roofs.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/cpu.h"
#include "kernels/aligned_buffer.h"
#include "kernels/roof_probe.h"

namespace nibble {

namespace {

using Clock = std::chrono::steady_clock;

/// Larger than what caches could hold between two passes, small enough for any machine.
constexpr size_t kLeastBuffer = 256 << 20, kMostBuffer = size_t{1} << 30;
constexpr int kReadPasses = 8, kMultiplyRuns = 8;
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
  const auto threads = size_t(pool.size());
  const size_t total = std::clamp(4 * cpu_info().l3_bytes, kLeastBuffer, kMostBuffer);
  const size_t part = total / threads / RoofProbe::kReadBlock * RoofProbe::kReadBlock;
  AlignedBuffer buffer(part * threads);
  const auto begin = [&](int thread) { return buffer.data() + size_t(thread) * part; };
  // Each thread touches its own part first, so that the pages lie near it.
  pool.run([&](int thread) { std::memset(begin(thread), 1, part); });
  double best = 0;
  for (int pass = 0; pass < kReadPasses; ++pass) {
    const double seconds = timed(pool, [&](int thread) { return probe.read(begin(thread), part); });
    best = std::max(best, double(part * threads) / seconds);
  }
  return best;
}

double measure_multiply(const RoofProbe& probe, ThreadPool& pool) {
  uint64_t rounds = 1000;
  const auto run = [&] { return timed(pool, [&](int) { return probe.multiply(rounds); }); };
  while (run() < kMultiplySeconds) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kMultiplyRuns; ++i) {
    best = std::max(best, 2.0 * double(probe.products_per_round * rounds) * pool.size() / run());
  }
  return best;
}

}  // namespace

Roofs measure_roofs(ThreadPool& pool) {
  const RoofProbe& probe = roof_probe(selected_isa());
  return {measure_read(probe, pool), measure_multiply(probe, pool)};
}

WeightTraffic weight_traffic(const Model& model) {
  WeightTraffic traffic;
  const auto add = [&](const Linear& w) {
    traffic.bytes += tensor_bytes(w.dtype(), w.rows(), w.cols()).value_or(0);
    return 2 * uint64_t(w.rows()) * w.cols();
  };
  for (const LayerWeights& layer : model.layers()) {
    for (const Linear* w :
         {&layer.q, &layer.k, &layer.v, &layer.attention_output, &layer.gate, &layer.up, &layer.down}) {
      traffic.layer_ops += add(*w);
    }
  }
  traffic.output_ops = add(model.output());
  return traffic;
}

double roofline_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits) {
  const double ops = double(traffic.layer_ops) * double(tokens) + double(traffic.output_ops) * double(logits);
  return std::max(double(traffic.bytes) / roofs.read_bytes_per_s, ops / roofs.int8_ops_per_s);
}

}  // namespace nibble
