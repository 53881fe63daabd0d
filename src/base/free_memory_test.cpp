#include "base/free_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>

namespace nibble {
namespace {

namespace fs = std::filesystem;

class FreeMemory : public ::testing::Test {
 protected:
  FreeMemory() : root_(fs::path(::testing::TempDir()) / ("memory_" + std::to_string(::getpid()))) {}
  ~FreeMemory() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(FreeMemory, IsWhatTheSystemHasAvailable) {
  EXPECT_EQ(free_memory(root_), std::numeric_limits<uint64_t>::max());
  write("proc/meminfo", "MemTotal:       1000 kB\nMemFree:  300 kB\nMemAvailable:    500 kB\nHuge:  0\n");
  EXPECT_EQ(free_memory(root_), 500u * 1024);
}

TEST_F(FreeMemory, IsNoMoreThanItsGroupsLeave) {
  write("proc/meminfo", "MemAvailable:    500 kB\n");
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  write("sys/fs/cgroup/a/b/memory.current", "7000\n");
  EXPECT_EQ(free_memory(root_), 500u * 1024);
  write("sys/fs/cgroup/a/memory.max", "9000\n");
  write("sys/fs/cgroup/a/memory.current", "8000\n");
  EXPECT_EQ(free_memory(root_), 1000u);
  write("sys/fs/cgroup/a/memory.current", "9001\n");
  EXPECT_EQ(free_memory(root_), 0u);
}

TEST_F(FreeMemory, KnowsVersionOne) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n");
  write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000\n");
  write("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1000\n");
  EXPECT_EQ(free_memory(root_), 4000u);
}

TEST(FreeMemoryHere, IsSomething) {
  EXPECT_GT(free_memory(), 0u);
}

}  // namespace
}  // namespace nibble
