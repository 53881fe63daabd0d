#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"

namespace nibble {
namespace {

TEST(ThreadPool, EveryThreadRunsEachTaskOnce) {
  for (int threads : {1, 2, 3, 9}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    std::vector<int> calls(size_t(threads), 0);
    for (int i = 0; i < 500; ++i) pool.run([&](int thread) { ++calls[size_t(thread)]; });
    for (int count : calls) EXPECT_EQ(count, 500);
  }
}

TEST(ThreadPool, ParallelForCoversTheRangeOnce) {
  ThreadPool pool(4);
  for (size_t count : {0u, 1u, 7u, 64u, 1000u}) {
    std::vector<std::atomic<int>> seen(count);
    pool.parallel_for(count, 7, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) ++seen[i];
    });
    for (const auto& times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(ThreadPool, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run([](int thread) {
    if (thread == 2) fail("broken");
  }),
               Error);
  std::atomic<int> done{0};
  pool.run([&](int) { ++done; });
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace nibble
