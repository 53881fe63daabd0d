#include "serve/worker_pool.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace nibble {

namespace {
constexpr std::chrono::seconds kUnusedTime{30};
}

void WorkerPool::enqueue(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_ < most_) {
    try {
      std::thread([this] { work(); }).detach();
      ++threads_;
    } catch (const std::system_error&) {
      // No thread to be had now: one of those that are there takes the job when it is free.
    }
  }
  wake_.notify_one();
}

void WorkerPool::shutdown() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    const bool woken = wake_.wait_for(lock, kUnusedTime, [this] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) {
      if (!woken || stopping_) break;
      continue;
    }
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
  --threads_;
  ended_.notify_all();  // under the lock: the pool may be gone once it is released
}

}  // namespace nibble
