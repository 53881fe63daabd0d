#include "serve/event_log.h"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "serve/http.h"

namespace nibble {

namespace {

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char day[32], text[40];
  std::strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof(text), "%s.%03dZ", day, int(ms));
  return text;
}

}  // namespace

void EventLog::write(const std::string& event, const nlohmann::ordered_json& fields) {
  if (quiet_) return;
  nlohmann::ordered_json line = {{"time", utc_now()}, {"event", event}};
  line.update(fields);
  const std::string text = to_text(line) + "\n";
  const std::lock_guard lock(mutex_);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace nibble
