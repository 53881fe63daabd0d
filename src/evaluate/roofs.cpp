#include "evaluate/roofs.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>

#include "base/cpu.h"
#include "base/process.h"
#include "kernels/aligned_buffer.h"
#include "kernels/roof_probe.h"

namespace nibble {

namespace {

using Clock = std::chrono::steady_clock;

/// Larger than what caches could hold between two passes, small enough for any machine.
constexpr size_t kLeastBuffer = 256 << 20, kMostBuffer = size_t{1} << 30;
/// The best counts, of several times apart: what else runs on the machine comes and goes.
constexpr int kRounds = 3, kReadPasses = 3, kMultiplyRuns = 3;
constexpr double kMultiplySeconds = 0.02;

/// Seconds in which the pool does `pieces` pieces. As with the products of a model, a thread takes the next
/// piece when it is free, so that a core that others use does not hold up all.
template <typename Piece>
double timed(ThreadPool& pool, size_t pieces, Piece piece) {
  // Where the results go, so that they are computed.
  static std::atomic<uint64_t> sink;
  const auto start = Clock::now();
  pool.parallel_for(pieces, 1,
                    [&](size_t i, size_t) { sink.fetch_xor(piece(i), std::memory_order_relaxed); });
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double measure_read(const RoofProbe& probe, ThreadPool& pool) {
  constexpr size_t kPiece = size_t{1} << 20;
  const size_t pieces = std::clamp(4 * cpu_info().l3_bytes, kLeastBuffer, kMostBuffer) / kPiece;
  AlignedBuffer buffer(pieces * kPiece);
  const auto begin = [&](size_t piece) { return buffer.data() + piece * kPiece; };
  pool.parallel_for(pieces, 1, [&](size_t piece, size_t) { std::memset(begin(piece), 1, kPiece); });
  double best = 0;
  for (int pass = 0; pass < kReadPasses; ++pass) {
    const double seconds =
        timed(pool, pieces, [&](size_t piece) { return probe.read(begin(piece), kPiece); });
    best = std::max(best, double(pieces * kPiece) / seconds);
  }
  return best;
}

/// Operations per second of multiply(rounds), which makes `products` per round in registers.
template <typename Multiply>
double measure_multiply(ThreadPool& pool, uint64_t products, Multiply multiply) {
  constexpr size_t kPiecesPerThread = 16;
  const size_t pieces = kPiecesPerThread * size_t(pool.active());
  uint64_t rounds = 100;
  const auto run = [&] { return timed(pool, pieces, [&](size_t) { return uint64_t(multiply(rounds)); }); };
  while (run() < kMultiplySeconds) rounds *= 2;
  double best = 0;
  for (int i = 0; i < kMultiplyRuns; ++i) {
    best = std::max(best, 2.0 * double(products * rounds) * double(pieces) / run());
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

void for_each_matrix(const Model& model, FunctionRef<void(const Linear&)> visit) {
  for (const LayerWeights& layer : model.layers()) {
    for (const Linear* w :
         {&layer.q, &layer.k, &layer.v, &layer.attention_output, &layer.gate, &layer.up, &layer.down}) {
      visit(*w);
    }
  }
  visit(model.output());
}

double seconds_to_read(const Model& model, ThreadPool& pool) {
  constexpr size_t kUnit = 4096, kUnitsPerPiece = 64;
  const RoofProbe& probe = roof_probe(selected_isa());
  uint64_t bytes = 0, read = 0;
  double seconds = 0;
  for_each_matrix(model, [&](const Linear& w) {
    const std::span<const std::byte> packed = w.packed();
    const size_t units = packed.size() / kUnit, pieces = (units + kUnitsPerPiece - 1) / kUnitsPerPiece;
    seconds += timed(pool, pieces, [&](size_t piece) {
      const size_t first = piece * kUnitsPerPiece, count = std::min(kUnitsPerPiece, units - first);
      return probe.read(packed.data() + first * kUnit, count * kUnit);
    });
    bytes += packed.size();
    read += units * kUnit;
  });
  return read > 0 ? seconds * double(bytes) / double(read) : 0;
}

WeightTraffic weight_traffic(const Model& model) {
  WeightTraffic traffic;
  for_each_matrix(model, [&](const Linear& w) {
    traffic.bytes += tensor_bytes(w.dtype(), w.rows(), w.cols()).value_or(0);
    WeightTraffic::Operations& operations = w.quantizes_activations() ? traffic.int8 : traffic.float32;
    uint64_t& part = &w == &model.output() ? operations.output : operations.layers;
    part += 2 * uint64_t(w.rows()) * w.cols();
  });
  return traffic;
}

double roofline_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits) {
  return std::max(double(traffic.bytes) / roofs.read_bytes_per_s,
                  multiply_seconds(roofs, traffic, tokens, logits));
}

}  // namespace nibble
