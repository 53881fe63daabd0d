#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Finds where a stream of text must end, and never lets out a piece of a stop string.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  /// Takes more text, and returns what is now certain to come before any stop string.
  std::string add(std::string_view text);
  /// What was held back, at the end of the stream; nothing when a stop string was found.
  std::string finish();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace nibble
