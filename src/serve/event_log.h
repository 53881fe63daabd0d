#pragma once

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace nibble {

/// Structured log: one JSON object a line on stderr, beginning with "time" (UTC) and "event". Safe to call
/// from several threads.
class EventLog {
 public:
  explicit EventLog(bool quiet) : quiet_(quiet) {}
  void write(const std::string& event, const nlohmann::ordered_json& fields);

 private:
  bool quiet_;
  std::mutex mutex_;
};

}  // namespace nibble
