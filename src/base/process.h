#pragma once

#include <cstdint>

namespace nibble {

/// What this process has used so far.
struct ProcessUsage {
  uint64_t resident_bytes;       ///< in memory now, mapped files included
  uint64_t peak_resident_bytes;  ///< the most there has been
  double cpu_seconds;            ///< user and system time of all threads
};

ProcessUsage process_usage();

}  // namespace nibble
