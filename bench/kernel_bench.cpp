/// Speed of every kernel of the registry that this machine runs, on all physical cores.
///
///   decode/NAME   one token against matrices that together pass the caches: bytes of weights per second
///   prefill/NAME  512 tokens against one matrix: operations (a multiplication or an addition) per second
///   read          the memory's read bandwidth, the roof of decode
///
/// Each result is compared with the reference kernel before it is timed. --benchmark_filter=q4 picks rows.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear.h"
#include "kernels/registry.h"
#include "kernels/synthetic_weights.h"

namespace nibble {
namespace {

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

std::vector<float> random_activations(size_t count) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(random);
  return x;
}

/// The first rows of the result against the reference kernel.
bool agrees_with_reference(const KernelEntry& kernel, const TensorView& weights, const std::vector<float>& x,
                           const std::vector<float>& y) {
  constexpr size_t kRows = 24;
  TensorView part = weights;
  part.shape[0] = kRows;
  if (dtype_info(kernel.dtype).layout == Layout::planes) part = weights;
  Activations activations;
  activations.set(x.data(), 1, weights.cols());
  std::vector<float> expected(part.rows());
  Linear::pack(part, select_kernel(kernel.dtype, Isa::scalar), pool())
      .multiply(activations, expected.data(), part.rows(), pool());
  for (size_t r = 0; r < kRows; ++r) {
    if (!(std::fabs(y[r] - expected[r]) <= 1e-4f * (1.0f + std::fabs(expected[r])))) return false;
  }
  return true;
}

void decode(benchmark::State& state, const KernelEntry& kernel) {
  constexpr size_t kRows = 4096, kCols = 4096, kPastCaches = size_t(192) << 20;
  const SyntheticWeights w = synthetic_weights(kernel.dtype, kRows, kCols, 1);
  std::vector<Linear> matrices;
  for (size_t bytes = 0; bytes < kPastCaches; bytes += matrices.back().owned_bytes()) {
    matrices.push_back(Linear::pack(w.view, kernel, pool()));
  }
  const std::vector<float> x = random_activations(kCols);
  std::vector<float> y(kRows);
  Activations activations;
  activations.set(x.data(), 1, kCols);
  matrices[0].multiply(activations, y.data(), kRows, pool());
  if (!agrees_with_reference(kernel, w.view, x, y)) return state.SkipWithError("differs from the reference");
  size_t next = 0;
  for (auto _ : state) {
    activations.set(x.data(), 1, kCols);
    matrices[next].multiply(activations, y.data(), kRows, pool());
    next = (next + 1) % matrices.size();
  }
  const double weights = double(state.iterations()) * kRows * kCols;
  state.SetBytesProcessed(int64_t(double(state.iterations()) * double(matrices[0].owned_bytes())));
  state.counters["weights"] = benchmark::Counter(weights, benchmark::Counter::kIsRate);
  state.counters["bits_per_weight"] = double(matrices[0].owned_bytes()) * 8 / (kRows * kCols);
}

void prefill(benchmark::State& state, const KernelEntry& kernel) {
  constexpr size_t kTokens = 512;
  const size_t rows = size_t(state.range(0)), cols = size_t(state.range(1));
  const SyntheticWeights w = synthetic_weights(kernel.dtype, rows, cols, 1);
  const Linear linear = Linear::pack(w.view, kernel, pool());
  const std::vector<float> x = random_activations(kTokens * cols);
  std::vector<float> y(kTokens * rows);
  Activations activations;
  activations.set(x.data(), kTokens, cols);
  linear.multiply(activations, y.data(), rows, pool());
  if (!agrees_with_reference(kernel, w.view, x, y)) return state.SkipWithError("differs from the reference");
  for (auto _ : state) {
    activations.set(x.data(), kTokens, cols);
    linear.multiply(activations, y.data(), rows, pool());
  }
  const double operations = 2.0 * double(state.iterations()) * kTokens * double(rows * cols);
  state.counters["op"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}

void read_bandwidth(benchmark::State& state) {
  const std::vector<uint64_t> memory((size_t(256) << 20) / sizeof(uint64_t), 3);
  constexpr size_t kPiece = size_t(1) << 17;
  std::vector<uint64_t> sums(memory.size() / kPiece);
  for (auto _ : state) {
    pool().parallel_for(sums.size(), 1, [&](size_t piece, size_t) {
      uint64_t lanes[16] = {};
      for (size_t i = piece * kPiece; i < (piece + 1) * kPiece; i += 16) {
        for (size_t j = 0; j < 16; ++j) lanes[j] += memory[i + j];
      }
      sums[piece] = std::accumulate(lanes, lanes + 16, uint64_t(0));
    });
    benchmark::DoNotOptimize(sums.data());
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * int64_t(memory.size() * sizeof(uint64_t)));
}

void quantize(benchmark::State& state) {
  constexpr size_t kTokens = 512, kCols = 1536;
  const std::vector<float> x = random_activations(kTokens * kCols);
  Activations activations;
  for (auto _ : state) {
    activations.set(x.data(), kTokens, kCols);
    benchmark::DoNotOptimize(activations.form(ActivationForm::int16, 32, pool()));
  }
  state.SetItemsProcessed(int64_t(state.iterations()) * int64_t(x.size()));
}

void register_all() {
  benchmark::RegisterBenchmark("read", read_bandwidth)->UseRealTime()->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("quantize_activations", quantize)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  for (const KernelEntry& kernel : kernel_table()) {
    if (kernel.isa == Isa::scalar || !cpu_supports(kernel.isa)) continue;
    const std::string name(kernel.name);
    benchmark::RegisterBenchmark(("decode/" + name).c_str(),
                                 [&kernel](benchmark::State& s) { decode(s, kernel); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("prefill/" + name).c_str(),
                                 [&kernel](benchmark::State& s) { prefill(s, kernel); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond)
        ->Args({1536, dtype_info(kernel.dtype).block_elements > 64 ? 512 : 576})
        ->Args({4096, 4096});
  }
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) {
  nibble::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
