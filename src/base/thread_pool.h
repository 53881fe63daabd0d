#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nibble {

/// A fixed set of threads that run one task together; the caller is thread 0.
class ThreadPool {
 public:
  /// threads = 0 takes one per physical core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  /// Calls task(thread) once on every thread and returns when all are done. An exception of a
  /// thread is rethrown here. Not reentrant: a task must not call run on the same pool.
  void run(const std::function<void(int thread)>& task);

  /// Splits [0, count) into pieces of `grain` and calls body(begin, end) for each; threads take the
  /// next piece when they are free. What a piece computes must not depend on the thread.
  void parallel_for(size_t count, size_t grain, const std::function<void(size_t begin, size_t end)>& body);
  /// The same with the thread's index, for scratch memory of its own.
  void parallel_for(size_t count, size_t grain,
                    const std::function<void(size_t begin, size_t end, int thread)>& body);

 private:
  void work(int thread);
  void call(int thread);

  std::vector<std::thread> workers_;
  const std::function<void(int)>* task_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> pending_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::exception_ptr error_;
  int spin_rounds_ = 0;
};

}  // namespace nibble
