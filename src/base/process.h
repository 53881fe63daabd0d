#pragma once

#include <cstdint>
#include <string>

#include "base/function_ref.h"

namespace nibble {

/// What this process has used so far.
struct ProcessUsage {
  uint64_t resident_bytes;       ///< in memory now, mapped files included
  uint64_t peak_resident_bytes;  ///< the most there has been
  double cpu_seconds;            ///< user and system time of all threads
};

ProcessUsage process_usage();

/// Seconds since this process was started, to a hundredth.
double process_age();

/// What work() returns in a copy of this process: its memory and its threads end with it. To be called
/// while this process has one thread, since only that one is copied. Throws Error when there can be no
/// process, or it fails: the message of an exception in it goes to stderr.
std::string run_in_child(FunctionRef<std::string()> work);

}  // namespace nibble
