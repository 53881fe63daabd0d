/// Speed of every kernel of the registry that this machine runs, on all physical cores.
///
///   multiply/NAME/1        one token, as in decode: bytes of weights per second, of the read bandwidth
///   multiply/NAME/2 to 16  sequences that decode together
///   multiply/NAME/512      prefill: operations per second, of the int8 or float rate
///
/// Matrices of 4096 x 4096 take turns, so that weights come from memory as they do in a model. Each result is
/// compared with the reference kernel before it is timed, and a row fails where they differ. The roofs stand
/// in the heading, as `nibble bench` measures them. --benchmark_filter=q4_0.*/512 picks rows.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "evaluate/roofs.h"
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

constexpr size_t kSide = 4096;

const Roofs& roofs() {
  static const Roofs measured = measure_roofs(pool());
  return measured;
}

/// First and last token against the reference kernel.
bool agrees_with_reference(const KernelEntry& kernel, const TensorView& weights, const std::vector<float>& x,
                           const std::vector<float>& y, size_t tokens) {
  const auto form = is_quantized(kernel.activations) ? ActivationForm::int8 : ActivationForm::f32;
  const KernelEntry& reference = select_kernel(kernel.dtype, Isa::scalar, form);
  std::vector<float> expected(weights.rows());
  for (const size_t token : {size_t(0), tokens - 1}) {
    Activations activations;
    activations.set(x.data() + token * weights.cols(), 1, weights.cols());
    Linear::pack(weights, reference, pool()).multiply(activations, expected.data(), weights.rows(), pool());
    for (size_t r = 0; r < weights.rows(); ++r) {
      const float wanted = expected[r];
      if (!(std::fabs(y[token * weights.rows() + r] - wanted) <= 1e-4f * (1.0f + std::fabs(wanted)))) {
        return false;
      }
    }
  }
  return true;
}

void multiply(benchmark::State& state, const KernelEntry& kernel) {
  constexpr size_t kPastCaches = size_t(192) << 20;
  const auto tokens = size_t(state.range(0));
  const SyntheticWeights w = synthetic_weights(kernel.dtype, kSide, kSide, 1);
  std::vector<Linear> matrices;
  for (size_t bytes = 0; bytes < kPastCaches; bytes += matrices.back().owned_bytes()) {
    matrices.push_back(Linear::pack(w.view, kernel, pool()));
  }
  const std::vector<float> x = random_activations(tokens * kSide);
  std::vector<float> y(tokens * kSide);
  Activations activations;
  activations.set(x.data(), tokens, kSide);
  matrices[0].multiply(activations, y.data(), kSide, pool());
  if (!agrees_with_reference(kernel, w.view, x, y, tokens)) {
    return state.SkipWithError("differs from the reference");
  }
  size_t next = 0;
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    activations.set(x.data(), tokens, kSide);
    matrices[next].multiply(activations, y.data(), kSide, pool());
    next = (next + 1) % matrices.size();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double calls = double(state.iterations()) / seconds;
  const double bytes = calls * double(matrices[0].owned_bytes());
  const double operations = calls * 2.0 * double(tokens * kSide * kSide);
  state.counters["bytes/s"] = bytes;
  state.counters["op/s"] = operations;
  const bool floats = !is_quantized(kernel.activations);
  state.counters["of_read"] = bytes / roofs().read_bytes_per_s;
  state.counters["of_rate"] = operations / (floats ? roofs().float_ops_per_s : roofs().int8_ops_per_s);
  state.counters["bits"] = double(matrices[0].owned_bytes()) * 8 / (kSide * kSide);
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
  benchmark::RegisterBenchmark("quantize_activations", quantize)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  for (const KernelEntry& kernel : kernel_table()) {
    if (kernel.isa == Isa::scalar || !cpu_supports(kernel.isa)) continue;
    const std::string name(kernel.name);
    auto* row = benchmark::RegisterBenchmark(("multiply/" + name).c_str(),
                                             [&kernel](benchmark::State& s) { multiply(s, kernel); });
    row->UseRealTime()->Unit(benchmark::kMicrosecond);
    for (const int64_t tokens : {1, 2, 4, 8, 16, 512}) row->Arg(tokens);
  }
}

}  // namespace
}  // namespace nibble

int main(int argc, char** argv) {
  nibble::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const nibble::Roofs& roofs = nibble::roofs();
  benchmark::AddCustomContext("threads", std::to_string(roofs.threads));
  benchmark::AddCustomContext("read_gb_s", std::to_string(roofs.read_bytes_per_s / 1e9));
  benchmark::AddCustomContext("int8_gops", std::to_string(roofs.int8_ops_per_s / 1e9));
  benchmark::AddCustomContext("float_gflops", std::to_string(roofs.float_ops_per_s / 1e9));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
