#include "base/profile.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace nibble {
namespace {

/// At least; a sleep may take longer.
constexpr double kNap = 0.004;

void nap() {
  std::this_thread::sleep_for(std::chrono::duration<double>(kNap));
}

double at(const Profile& profile, Operation operation) {
  return profile.seconds[size_t(operation)];
}

TEST(Profile, ChargesEachMomentToOneOperation) {
  const auto start = Profile::Clock::now();
  Profile profile;
  {
    const ProfileScope scope(&profile);
    nap();
    OperationTimer timer(Operation::qkv);
    nap();
    timer.next(Operation::qkv);
    nap();
    {
      OperationTimer inner(Operation::quantize);
      nap();
    }
    nap();
  }
  const double wall = std::chrono::duration<double>(Profile::Clock::now() - start).count();
  EXPECT_GE(at(profile, Operation::other), kNap);
  EXPECT_GE(at(profile, Operation::qkv), kNap);
  EXPECT_GE(at(profile, Operation::qkv), 2 * kNap);
  EXPECT_GE(at(profile, Operation::quantize), kNap);
  EXPECT_EQ(at(profile, Operation::down), 0);
  EXPECT_LE(std::accumulate(profile.seconds.begin(), profile.seconds.end(), 0.0), wall);
}

TEST(Profile, CountsNothingUnlessAttachedToTheThread) {
  Profile profile;
  {
    const ProfileScope scope(&profile);
    std::thread([] {
      OperationTimer timer(Operation::qkv);
      nap();
    }).join();
  }
  {
    OperationTimer timer(Operation::down);
    nap();
  }
  EXPECT_EQ(at(profile, Operation::qkv), 0);
  EXPECT_EQ(at(profile, Operation::down), 0);
  EXPECT_GE(at(profile, Operation::other), kNap);
}

TEST(Profile, EveryOperationHasItsOwnName) {
  for (size_t a = 0; a < kOperations; ++a) {
    ASSERT_NE(operation_name(Operation(a)), nullptr);
    for (size_t b = 0; b < a; ++b) EXPECT_STRNE(operation_name(Operation(a)), operation_name(Operation(b)));
  }
}

}  // namespace
}  // namespace nibble
