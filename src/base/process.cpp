#include "base/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

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

}  // namespace nibble
