#include "base/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace nibble {
namespace {

TEST(Progress, CountsWhatWasDoneBeforeInTheShareAlone) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("title", 10, "layers", 7);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    progress.add(3);
    progress.take_back(1);
  }
  const std::string printed = ::testing::internal::GetCapturedStderr();
  int share = 0;
  double rate = 0;
  ASSERT_EQ(std::sscanf(printed.c_str(), "title: %d%%, %lf layers/s", &share, &rate), 2) << printed;
  EXPECT_EQ(share, 90);
  EXPECT_GT(rate, 0);
  EXPECT_LE(rate, 2 / 0.1);
}

}  // namespace
}  // namespace nibble
