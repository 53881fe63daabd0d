#include "base/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <utility>

#include "base/cpu.h"

namespace nibble {

namespace {

// About 20 microseconds: longer than the gap between two operations of a layer, so that threads stay
// awake through a token, and short enough that an idle pool leaves the machine to others.
constexpr int kSpinRounds = 400;

}  // namespace

ThreadPool::ThreadPool(int threads) {
  const CpuInfo& cpu = cpu_info();
  if (threads <= 0) threads = cpu.physical_cores;
  // With fewer cores than threads, a spinning thread would keep a core from the one it waits for.
  spin_rounds_ = threads <= cpu.logical_cores ? kSpinRounds : 0;
  workers_.reserve(size_t(threads - 1));
  for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::call(int thread) {
  try {
    (*task_)(thread);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::work(int thread) {
  uint64_t seen = 0;
  while (true) {
    for (int i = 0; i < spin_rounds_ && generation_.load(std::memory_order_acquire) == seen; ++i) _mm_pause();
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
    }
    ++seen;
    if (stopping_) return;
    call(thread);
    pending_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void ThreadPool::run(const std::function<void(int)>& task) {
  task_ = &task;
  if (!workers_.empty()) {
    pending_.store(int(workers_.size()), std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
  }
  call(0);
  int rounds = 0;
  while (pending_.load(std::memory_order_acquire) != 0) {
    if (++rounds < kSpinRounds) {
      _mm_pause();
    } else {
      std::this_thread::yield();
    }
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::parallel_for(size_t count, size_t grain,
                              const std::function<void(size_t, size_t, int)>& body) {
  if (count == 0) return;
  grain = std::max<size_t>(grain, 1);
  if (count <= grain || workers_.empty()) {
    for (size_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain), 0);
    return;
  }
  std::atomic<size_t> next{0};
  run([&](int thread) {
    for (size_t begin = next.fetch_add(grain); begin < count; begin = next.fetch_add(grain)) {
      body(begin, std::min(count, begin + grain), thread);
    }
  });
}

void ThreadPool::parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body) {
  parallel_for(count, grain, [&](size_t begin, size_t end, int) { body(begin, end); });
}

}  // namespace nibble
