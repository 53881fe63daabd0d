/// What it costs to hand work to the thread pool.
///
///   run/T              fork and join of T threads with nothing to do, the threads still spinning
///   parallel_for/T/N   the same for N pieces with nothing to do
///   work/T/N           N pieces of about a microsecond each: how much of the work's own time is added
///   asleep/T           fork and join after a pause in which the threads went to sleep
///
/// T = 0 stands for the default, one thread per physical core.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "base/thread_pool.h"

namespace nibble {
namespace {

/// Keeps a core at work without touching memory.
void busy(int rounds) {
  uint32_t value = 1;
  for (int i = 0; i < rounds; ++i) {
    value = value * 1664525u + 1013904223u;
    benchmark::DoNotOptimize(value);
  }
}

void run(benchmark::State& state) {
  ThreadPool pool(int(state.range(0)));
  for (auto _ : state) {
    pool.run([](int thread) { benchmark::DoNotOptimize(thread); });
  }
  state.counters["threads"] = pool.size();
}

void parallel_for(benchmark::State& state) {
  ThreadPool pool(int(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(size_t(state.range(1)), 1,
                      [](size_t begin, size_t) { benchmark::DoNotOptimize(begin); });
  }
  state.counters["threads"] = pool.size();
}

void work(benchmark::State& state) {
  ThreadPool pool(int(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(size_t(state.range(1)), 1, [](size_t, size_t) { busy(700); });
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
}

void asleep(benchmark::State& state) {
  ThreadPool pool(int(state.range(0)));
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = std::chrono::steady_clock::now();
    pool.run([](int thread) { benchmark::DoNotOptimize(thread); });
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}

BENCHMARK(run)->Arg(0)->Arg(1)->Arg(2)->Arg(8)->UseRealTime();
BENCHMARK(parallel_for)
    ->Args({0, 1})
    ->Args({0, 2})
    ->Args({0, 8})
    ->Args({0, 64})
    ->Args({8, 64})
    ->UseRealTime();
BENCHMARK(work)->Args({1, 64})->Args({0, 2})->Args({0, 8})->Args({0, 64})->Args({8, 64})->UseRealTime();
BENCHMARK(asleep)->Arg(0)->Arg(8)->Iterations(300)->UseManualTime();

}  // namespace
}  // namespace nibble

BENCHMARK_MAIN();
