#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace nibble {

/// Threads that serve one connection each, made when they are needed and ended when they have been idle for
/// long. A streaming answer holds its thread, which sleeps between tokens and costs some 100 kB; so there may
/// be as many as there may be connections, and nobody waits behind somebody else's stream.
class WorkerPool : public httplib::TaskQueue {
 public:
  explicit WorkerPool(size_t most) : most_(most) {}

  void enqueue(std::function<void()> job) override;
  /// Returns when every job has run.
  void shutdown() override;

 private:
  void work();

  const size_t most_;
  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<std::function<void()>> jobs_;
  size_t threads_ = 0, idle_ = 0;
  bool stopping_ = false;
};

}  // namespace nibble
