#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

namespace nibble {

namespace {

/// Where the longest end of text begins that a stop string begins with.
size_t partial_match(std::string_view text, std::string_view stop) {
  const size_t longest = std::min(text.size(), stop.size() - 1);
  for (size_t length = longest; length > 0; --length) {
    if (text.ends_with(stop.substr(0, length))) return text.size() - length;
  }
  return text.size();
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, std::string());
}

std::string StopStrings::add(std::string_view text) {
  if (found_) return {};
  held_ += text;
  size_t first = std::string::npos, certain = held_.size();
  for (const std::string& stop : stops_) {
    first = std::min(first, held_.find(stop));
    certain = std::min(certain, partial_match(held_, stop));
  }
  found_ = first != std::string::npos;
  if (found_) certain = first;
  std::string out = held_.substr(0, certain);
  held_.erase(0, certain);
  return out;
}

std::string StopStrings::finish() {
  return found_ ? std::string() : std::exchange(held_, {});
}

}  // namespace nibble
