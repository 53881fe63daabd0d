#include "cli/token_list.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace nibble {

std::vector<int32_t> parse_token_list(const std::string& list) {
  std::vector<int32_t> ids;
  const char *at = list.data(), *end = at + list.size();
  while (true) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next != end && *next != ',')) {
      throw UsageError(
          fmt::format("--tokens {}: token ids separated by commas are needed, such as 1,2,3", list));
    }
    ids.push_back(id);
    if (next == end) return ids;
    at = next + 1;
  }
}

}  // namespace nibble
