#include "base/process.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

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

}  // namespace
}  // namespace nibble
