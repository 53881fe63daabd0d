#include "base/process.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace nibble {
namespace {

TEST(ProcessUsage, SeesMemoryThatIsTouched) {
  const ProcessUsage before = process_usage();
  constexpr size_t kBytes = 64 << 20;
  std::vector<char> memory(kBytes);
  std::memset(memory.data(), 1, kBytes);
  const ProcessUsage after = process_usage();
  EXPECT_GE(after.resident_bytes + (8 << 20), before.resident_bytes + kBytes);
  EXPECT_GE(after.peak_resident_bytes + (8 << 20), after.resident_bytes);
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds);
  EXPECT_EQ(memory[kBytes / 2], 1);
}

TEST(RunInChild, ReturnsWhatTheWorkDidAndKeepsItsMemoryApart) {
  std::vector<int> memory(100, 1);
  const std::string result = run_in_child([&] {
    memory.assign(size_t{1} << 20, 7);
    return std::string(200000, 'x') + std::string(1, '\0') + std::to_string(memory.back());
  });
  EXPECT_EQ(result, std::string(200000, 'x') + std::string(1, '\0') + "7");
  EXPECT_EQ(memory.size(), 100u);
}

TEST(RunInChild, FailsWhenTheWorkFails) {
  ::testing::internal::CaptureStderr();
  EXPECT_THROW(run_in_child([]() -> std::string { fail("broken"); }), Error);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "nibble: broken\n");
  EXPECT_THROW(run_in_child([]() -> std::string { std::_Exit(3); }), Error);
}

}  // namespace
}  // namespace nibble
