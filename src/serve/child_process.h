#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// A program that runs beside this one with low priority, and ends when this one does. What it prints, on
/// both channels, is read line by line.
class ChildProcess {
 public:
  /// `arguments[0]` is the program's path. Throws Error when it can't be started.
  ChildProcess(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);
  /// Ends it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  enum class Read { line, nothing_yet, end };
  /// The next line without its end, waiting for it as long as the time-out allows.
  Read read_line(std::string& line, std::chrono::milliseconds timeout);
  /// Asks it to end; `hard` does not ask.
  void stop(bool hard);
  /// Waits for its end: the exit status, or 128 and the number of the signal that ended it.
  int wait();

 private:
  bool take_line(std::string& line);

  int pid_ = -1, pipe_ = -1;
  bool ended_ = false;  ///< the pipe
  std::string pending_;
};

}  // namespace nibble
