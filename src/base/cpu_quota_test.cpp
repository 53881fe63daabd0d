#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <string>

namespace nibble {
namespace {

namespace fs = std::filesystem;

/// A file system of control groups.
class CpuQuota : public ::testing::Test {
 protected:
  CpuQuota() : root_(fs::path(::testing::TempDir()) / ("quota_" + std::to_string(::getpid()))) {}
  ~CpuQuota() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(CpuQuota, NothingThereMeansNoLimit) {
  EXPECT_EQ(cpu_quota(root_), 0);
  write("proc/self/cgroup", "0::/user.slice\n");
  EXPECT_EQ(cpu_quota(root_), 0);
}

TEST_F(CpuQuota, VersionTwoTakesTheLeastOfAllGroupsAbove) {
  write("proc/self/cgroup", "0::/kube/pod one\n");
  write("sys/fs/cgroup/kube/pod one/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root_), 0);
  write("sys/fs/cgroup/kube/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1.5);
  write("sys/fs/cgroup/kube/pod one/cpu.max", "400000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 1.5);
  write("sys/fs/cgroup/kube/pod one/cpu.max", "25000 50000\n");
  EXPECT_EQ(cpu_quota(root_), 0.5);
}

TEST_F(CpuQuota, AContainerSeesItsLimitAtTheMount) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(cpu_quota(root_), 2);
}

TEST_F(CpuQuota, VersionOneReadsTheCpuController) {
  write("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/docker/1234\n1:name=systemd:/x\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 0);
  // The group's path is the host's and does not exist inside the container.
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(root_), 3);
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root_), 0.5);
}

TEST_F(CpuQuota, NonsenseLimitsNothing) {
  write("proc/self/cgroup", "nonsense\n0::/../../x\n");
  write("sys/fs/cgroup/cpu.max", "-5 0\n");
  EXPECT_EQ(cpu_quota(root_), 0);
}

}  // namespace
}  // namespace nibble
