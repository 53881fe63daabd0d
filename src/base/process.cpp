#include "base/process.h"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include "base/error.h"

namespace nibble {

namespace {

/// VmHWM. getrusage's ru_maxrss would also count the program that started this one, before its exec.
uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string field; status >> field;) {
    uint64_t kibibytes = 0;
    if (field == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

/// The child's part of run_in_child.
[[noreturn]] void work_and_exit(FunctionRef<std::string()> work, int out) {
  int status = 1;
  try {
    const std::string result = work();
    size_t written = 0;
    while (written < result.size()) {
      const ssize_t count = write(out, result.data() + written, result.size() - written);
      if (count <= 0 && errno != EINTR) break;
      written += size_t(std::max<ssize_t>(count, 0));
    }
    status = written == result.size() ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "nibble: {}\n", error.what());
  }
  // Nothing that the parent has yet to write or to delete is the child's.
  _exit(status);
}

}  // namespace

ProcessUsage process_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  uint64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return {resident_pages * uint64_t(sysconf(_SC_PAGESIZE)), peak_resident_bytes(),
          seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

std::string run_in_child(FunctionRef<std::string()> work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  const pid_t parent = getpid(), child = fork();
  if (child < 0) fail("cannot start a process to measure in: {}", std::strerror(errno));
  if (child == 0) {
    close(ends[0]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    work_and_exit(work, ends[1]);
  }
  close(ends[1]);
  std::string result;
  std::array<char, 4096> buffer{};
  for (ssize_t count;
       (count = read(ends[0], buffer.data(), buffer.size())) > 0 || (count < 0 && errno == EINTR);) {
    if (count > 0) result.append(buffer.data(), size_t(count));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) fail("the process that measures ended with status {}", status);
  return result;
}

double process_age() {
  // proc_pid_stat(5): the 22nd field is the start in clock ticks after boot; the second one, the program's
  // name in parentheses, may have blanks.
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const double start = std::strtod(field.c_str(), nullptr) / double(sysconf(_SC_CLK_TCK));
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9 - start;
}

}  // namespace nibble
