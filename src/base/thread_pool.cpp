#include "base/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/cpu.h"
#include "base/topology.h"

namespace nibble {

namespace {

/// For how long a thread stays awake without work, in ticks of the time-stamp counter (2 to 4 GHz): about
/// 100 microseconds. That is what waking a sleeping thread takes on a virtual machine whose idle core has
/// left to the host (5 on bare metal), and who waits as long as a wake-up costs never loses more than twice
/// the best choice. The gaps between operations of a layer are shorter.
constexpr uint64_t kSpinTicks = uint64_t{1} << 18;

/// Decides after each look at a word whether to look again or to sleep.
class Spin {
 public:
  explicit Spin(bool allowed) : allowed_(allowed) {}
  bool again() {
    if (!allowed_) return false;
    if (start_ == 0) start_ = __rdtsc();
    _mm_pause();
    return __rdtsc() - start_ < kSpinTicks;
  }

 private:
  bool allowed_;
  uint64_t start_ = 0;
};

}  // namespace

/// Held by the one call that may use the pool.
class ThreadPool::Busy {
 public:
  explicit Busy(ThreadPool& pool) : pool_(pool) {
    if (pool_.busy_.exchange(true, std::memory_order_acquire)) {
      throw std::logic_error("thread pool used inside one of its own tasks, or by two threads at once");
    }
  }
  ~Busy() { pool_.busy_.store(false, std::memory_order_release); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  ThreadPool& pool_;
};

ThreadPool::ThreadPool(int threads, Affinity affinity) : cores_(concurrent_threads()) {
  if (threads <= 0) threads = default_threads();
  active_ = uint32_t(std::min(threads, cores_));
  slots_.resize(size_t(threads));
  binding_ = plan_binding(machine_cores(), threads, affinity);
  workers_.reserve(size_t(threads - 1));
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] {
      if (!binding_.empty()) bind_this_thread(binding_[size_t(thread)]);
      work(thread);
    });
  }
  if (binding_.empty()) return;
  caller_cpus_ = this_thread_binding();
  bind_this_thread(binding_[0]);
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  active_ = uint32_t(size());
  active_.notify_all();
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  bind_this_thread(caller_cpus_);
}

void ThreadPool::set_active(int threads) {
  const Busy busy(*this);
  active_ = uint32_t(std::clamp(threads, 1, size()));
  active_.notify_all();
}

/// Spins, then sleeps, until done(word without kAsleep); returns that. Whoever changes the word wakes the
/// sleepers where it had kAsleep.
template <typename Done>
uint32_t ThreadPool::wait_until(Word& word, Done done) const {
  // With fewer cores than threads, a spinning thread would keep a core from the one it waits for.
  Spin spin(active() <= cores_);
  while (true) {
    uint32_t value = word.load(std::memory_order_acquire);
    if (done(value & ~kAsleep)) return value & ~kAsleep;
    if (spin.again()) continue;
    if ((value & kAsleep) == 0 && !word.compare_exchange_strong(value, value | kAsleep)) continue;
    word.wait(value | kAsleep, std::memory_order_acquire);
  }
}

/// Subtracts one from a word for which somebody waits until it is `last`.
void ThreadPool::count_down(Word& word, uint32_t last) {
  if (word.fetch_sub(1, std::memory_order_acq_rel) == ((last + 1) | kAsleep)) word.notify_all();
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  while (true) {
    wait_until(active_, [&](uint32_t active) { return uint32_t(thread) < active; });
    seen = wait_until(generation_, [&](uint32_t generation) { return generation != seen; });
    if (stopping_) return;
    if (thread >= active() || !enter()) continue;
    attempt(*task_, thread);
    count_down(inside_, kClosed);
  }
}

/// Begins the open task, if there is one: it may be a later one than the worker was told of.
bool ThreadPool::enter() {
  uint32_t inside = inside_.load(std::memory_order_relaxed);
  while ((inside & kClosed) == 0) {
    if (inside_.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void ThreadPool::attempt(FunctionRef<void(int)> task, int thread) {
  try {
    task(thread);
  } catch (...) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

/// Opens the task to all active threads, works on it, and closes it: with `everybody`, not before
/// missing_ is 0.
void ThreadPool::share(FunctionRef<void(int)> task, bool everybody) {
  task_ = &task;
  inside_.store(0, std::memory_order_release);
  const uint32_t next = (generation_.load(std::memory_order_relaxed) + 1) & ~kAsleep;
  if (generation_.exchange(next, std::memory_order_acq_rel) & kAsleep) generation_.notify_all();
  attempt(task, 0);
  if (everybody) wait_until(missing_, [](uint32_t missing) { return missing == 0; });
  if (inside_.fetch_or(kClosed, std::memory_order_acq_rel) != 0) {
    wait_until(inside_, [](uint32_t inside) { return inside == kClosed; });
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::run(FunctionRef<void(int)> task) {
  const Busy busy(*this);
  const int threads = active();
  if (threads == 1) return task(0);
  missing_.store(uint32_t(threads - 1), std::memory_order_relaxed);
  ++run_;
  const auto once = [&](int thread) {
    if (thread == 0) return task(0);
    // A worker that began before it was told of the task comes again when it is.
    if (std::exchange(slots_[size_t(thread)].last_run, run_) == run_) return;
    attempt(task, thread);
    count_down(missing_, 0);
  };
  share(once, true);
}

void ThreadPool::parallel_for(size_t count, size_t grain, FunctionRef<void(size_t, size_t, int)> body) {
  const Busy busy(*this);
  grain = std::max<size_t>(grain, 1);
  if (count <= grain || active() == 1) {
    for (size_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain), 0);
    return;
  }
  alignas(kLine) std::atomic<size_t> next{0};
  const auto take_pieces = [&](int thread) {
    try {
      for (size_t begin = next.fetch_add(grain); begin < count; begin = next.fetch_add(grain)) {
        body(begin, std::min(count, begin + grain), thread);
      }
    } catch (...) {
      next = count;
      throw;
    }
  };
  share(take_pieces, false);
}

void ThreadPool::parallel_for(size_t count, size_t grain, FunctionRef<void(size_t, size_t)> body) {
  parallel_for(count, grain, [&](size_t begin, size_t end, int) { body(begin, end); });
}

}  // namespace nibble
