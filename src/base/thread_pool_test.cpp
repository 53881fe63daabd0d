#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "base/cpu.h"
#include "base/error.h"

namespace nibble {
namespace {

/// A pool whose threads all take part, on however few cores.
std::unique_ptr<ThreadPool> full_pool(int threads) {
  auto pool = std::make_unique<ThreadPool>(threads);
  pool->set_active(threads);
  return pool;
}

TEST(ThreadPool, EveryThreadRunsEachTaskOnce) {
  for (int threads : {1, 2, 3, 9, 32}) {
    const auto pool = full_pool(threads);
    ASSERT_EQ(pool->size(), threads);
    std::vector<int> calls(size_t(threads), 0);
    for (int i = 0; i < 500; ++i) pool->run([&](int thread) { ++calls[size_t(thread)]; });
    for (int count : calls) EXPECT_EQ(count, 500);
  }
}

TEST(ThreadPool, TheThreadsOfATaskRunAtTheSameTime) {
  const auto pool = full_pool(4);
  std::atomic<int> arrived{0};
  // Ends only when all four are inside.
  pool->run([&](int) {
    ++arrived;
    while (arrived < 4) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 4);
}

TEST(ThreadPool, ParallelForCoversTheRangeOnce) {
  for (int threads : {1, 2, 4, 9}) {
    const auto pool = full_pool(threads);
    for (size_t count : {0u, 1u, 7u, 64u, 1000u}) {
      std::vector<std::atomic<int>> seen(count);
      pool->parallel_for(count, 7, [&](size_t begin, size_t end, int thread) {
        EXPECT_LE(end - begin, 7u);
        EXPECT_TRUE(thread >= 0 && thread < threads);
        for (size_t i = begin; i < end; ++i) ++seen[i];
      });
      for (const auto& times : seen) EXPECT_EQ(times, 1);
    }
  }
}

// Results are plain memory: the joins must make them visible, and under ThreadSanitizer prove it.
TEST(ThreadPool, ManySmallTasksOfBothKindsSeeEachOthersResults) {
  for (int threads : {2, 3, 8}) {
    const auto pool = full_pool(threads);
    constexpr size_t kCount = 37;
    std::vector<uint64_t> values(kCount, 1);
    std::vector<uint64_t> partial(size_t(threads), 0);
    for (int round = 0; round < 3000; ++round) {
      pool->parallel_for(kCount, size_t(round % 5), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) values[i] += i;
      });
      if (round % 3 == 0) {
        pool->run([&](int thread) { partial[size_t(thread)] += values[size_t(thread)]; });
      }
    }
    for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(values[i], 1 + 3000 * i);
    // Rounds 0, 3, ..., 2997: values are 1 + (round + 1) * i by then.
    for (size_t i = 0; i < size_t(threads); ++i) ASSERT_EQ(partial[i], 1000 + i * (1000 + 3 * 499500));
  }
}

TEST(ThreadPool, SleepingThreadsWakeUp) {
  const auto pool = full_pool(3);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> done{0};
    pool->run([&](int) { ++done; });
    ASSERT_EQ(done, 3);
  }
}

TEST(ThreadPool, TheCallerSleepsWhileAThreadWorks) {
  const auto pool = full_pool(2);
  bool done = false;
  pool->run([&](int thread) {
    if (thread == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    done = true;
  });
  EXPECT_TRUE(done);
}

TEST(ThreadPool, CallersMayBeDifferentThreadsOneAfterAnother) {
  const auto pool = full_pool(3);
  int sum = 0;
  for (int i = 0; i < 10; ++i) {
    std::thread([&] {
      std::vector<int> parts(3);
      pool->run([&](int thread) { parts[size_t(thread)] = thread + 1; });
      sum += std::accumulate(parts.begin(), parts.end(), 0);
    }).join();
  }
  EXPECT_EQ(sum, 60);
}

TEST(ThreadPool, PoolsThatNeverWorkedEnd) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}

TEST(ThreadPool, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  const auto pool = full_pool(3);
  for (int thrower : {0, 1, 2}) {
    std::atomic<int> done{0};
    EXPECT_THROW(pool->run([&](int thread) {
      ++done;
      if (thread == thrower) fail("broken");
    }),
                 Error);
    EXPECT_EQ(done, 3);
  }
  EXPECT_THROW(pool->run([](int) { fail("broken everywhere"); }), Error);
  std::atomic<int> done{0};
  pool->run([&](int) { ++done; });
  EXPECT_EQ(done, 3);
}

TEST(ThreadPool, AnExceptionEndsParallelForEarly) {
  for (int threads : {1, 4}) {
    const auto pool = full_pool(threads);
    std::atomic<size_t> begun{0};
    EXPECT_THROW(pool->parallel_for(1u << 20, 1,
                                    [&](size_t, size_t) {
                                      if (++begun > 100) fail("broken");
                                    }),
                 Error);
    EXPECT_LT(begun, size_t{1} << 20);
    begun = 0;
    pool->parallel_for(64, 1, [&](size_t, size_t) { ++begun; });
    EXPECT_EQ(begun, 64u);
  }
}

TEST(ThreadPool, NestedUseIsAnErrorAtAnySize) {
  for (int threads : {1, 3}) {
    const auto pool = full_pool(threads);
    EXPECT_THROW(pool->run([&](int) { pool->run([](int) {}); }), std::logic_error);
    EXPECT_THROW(pool->parallel_for(10, 1, [&](size_t, size_t) { pool->run([](int) {}); }), std::logic_error);
    EXPECT_THROW(pool->run([&](int) { pool->set_active(1); }), std::logic_error);
    std::atomic<int> done{0};
    pool->run([&](int) { ++done; });
    EXPECT_EQ(done, threads);
  }
}

TEST(ThreadPool, OnlyActiveThreadsTakePart) {
  ThreadPool pool(4);
  for (int active : {4, 1, 3, 2, 4}) {
    pool.set_active(active);
    EXPECT_EQ(pool.active(), active);
    EXPECT_EQ(pool.size(), 4);
    for (int i = 0; i < 50; ++i) {
      std::vector<int> calls(4, 0);
      pool.run([&](int thread) { ++calls[size_t(thread)]; });
      for (int thread = 0; thread < 4; ++thread) ASSERT_EQ(calls[size_t(thread)], thread < active ? 1 : 0);
      pool.parallel_for(100, 1, [&](size_t, size_t, int thread) { ASSERT_LT(thread, active); });
    }
  }
  pool.set_active(100);
  EXPECT_EQ(pool.active(), 4);
  pool.set_active(0);
  EXPECT_EQ(pool.active(), 1);
}

TEST(ThreadPool, ThreadsBeyondTheCoresSleepUntilAsked) {
  const int cores = concurrent_threads();
  ThreadPool pool(cores + 3);
  EXPECT_EQ(pool.size(), cores + 3);
  EXPECT_EQ(pool.active(), cores);
}

}  // namespace
}  // namespace nibble
