#include "base/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace nibble {

ProcessUsage process_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  uint64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return {resident_pages * uint64_t(sysconf(_SC_PAGESIZE)), uint64_t(usage.ru_maxrss) * 1024,
          seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

}  // namespace nibble
