#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/affinity.h"
#include "base/function_ref.h"

namespace nibble {

/// A fixed set of threads that work on one task together; the caller is thread 0.
///
/// While its threads are awake, handing out a task and joining takes well under two microseconds: the
/// caller publishes the task with one atomic exchange, and the threads, which spin for some tens of
/// microseconds between tasks, see it. After that they sleep (std::atomic::wait, a futex), so that an idle
/// pool costs nothing and a shared machine is left to others; only then does the next task pay for a
/// wake-up. The caller waits for its threads in the same way.
///
/// parallel_for never waits for a thread that has not begun: when all pieces are taken the task is closed,
/// and a thread that slept, or to which the system gave no core, finds it so and waits for the next. The
/// pool therefore keeps its speed where cores are fewer or busier than it believes.
///
/// Calls must not overlap, neither from inside a task nor from two threads: std::logic_error says so.
class ThreadPool {
 public:
  /// threads = 0 takes default_threads(). Threads beyond concurrent_threads() could only take turns with
  /// the others: they sleep until set_active asks for them. With Affinity::cores the thread that makes the
  /// pool is bound as thread 0 for as long as the pool exists.
  explicit ThreadPool(int threads = 0, Affinity affinity = Affinity::none);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Threads of the pool, the caller included: every thread's index is below.
  int size() const { return int(workers_.size()) + 1; }

  /// Threads that take part in tasks, the first of the pool; the others sleep.
  int active() const { return int(active_.load(std::memory_order_relaxed) & ~kAsleep); }
  /// 1 to size(), between tasks.
  void set_active(int threads);

  /// Calls task(thread) once on every active thread, all at the same time, and returns when all are done.
  /// The first exception is rethrown here after all threads have ended.
  void run(FunctionRef<void(int thread)> task);

  /// Splits [0, count) into pieces of `grain` and calls body(begin, end) for each; threads take the next
  /// piece when they are free, and one may take all. What a piece computes must not depend on the thread.
  /// An exception is rethrown here; pieces that nobody had begun are left out then.
  void parallel_for(size_t count, size_t grain, FunctionRef<void(size_t begin, size_t end)> body);
  /// The same with the thread's index, for scratch memory of its own.
  void parallel_for(size_t count, size_t grain, FunctionRef<void(size_t begin, size_t end, int thread)> body);

 private:
  using Word = std::atomic<uint32_t>;
  /// In any word: somebody sleeps until it changes. In inside_: the task is over, nobody may begin.
  static constexpr uint32_t kAsleep = uint32_t{1} << 31, kClosed = uint32_t{1} << 30;
  /// Words that different threads write lie apart; processors fetch cache lines of 64 bytes in pairs.
  static constexpr size_t kLine = 128;

  class Busy;
  struct alignas(kLine) Slot {
    uint32_t last_run = 0;
  };

  void work(int thread);
  bool enter();
  void share(FunctionRef<void(int)> task, bool everybody);
  void attempt(FunctionRef<void(int)> task, int thread);
  static void count_down(Word& word, uint32_t last);
  template <typename Done>
  uint32_t wait_until(Word& word, Done done) const;

  const int cores_;
  std::atomic<bool> busy_{false}, stopping_{false};
  Word active_{1};

  // Written before a task is opened, read by the threads inside it.
  const FunctionRef<void(int)>* task_ = nullptr;
  uint32_t run_ = 0;  ///< counts calls of run()

  alignas(kLine) Word generation_{0};    ///< changes when a task is opened
  alignas(kLine) Word inside_{kClosed};  ///< workers that have begun the task and not ended it
  alignas(kLine) Word missing_{0};       ///< workers that have not yet done their part of run()
  alignas(kLine) std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::vector<unsigned>> binding_;  ///< processors of each thread; empty: not bound
  std::vector<unsigned> caller_cpus_;           ///< those of the caller before
  std::vector<Slot> slots_;
  std::vector<std::thread> workers_;
};

}  // namespace nibble
