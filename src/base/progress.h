#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace nibble {

/// Progress of long work on stderr: a bar with rate and time left on a terminal, a plain line every
/// few seconds elsewhere (NIBBLE_PROGRESS_SECONDS says how many), nothing when quiet. Safe to call from
/// several threads.
class Progress {
 public:
  /// `unit` is what is counted, such as "tokens"; "bytes" prints MB. `done` of it is done already: it counts
  /// in the share, but neither in the rate nor in the time left.
  Progress(std::string title, uint64_t total, std::string unit, uint64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(uint64_t amount, const std::string& note = {});
  /// What was done must be done again.
  void take_back(uint64_t amount);
  /// Prints the last state and ends the line. The destructor calls it.
  void finish();

  /// --quiet: nothing is printed by any Progress from now on.
  static void set_quiet(bool quiet);
  static bool quiet();

 private:
  void print(bool last);

  std::string title_, unit_, note_;
  uint64_t total_, done_, before_;  ///< before_: of done_, when it began
  std::chrono::steady_clock::time_point start_, printed_;
  bool terminal_, finished_ = false;
  std::mutex mutex_;
};

}  // namespace nibble
