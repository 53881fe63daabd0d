#include "base/byte_size.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

namespace nibble {

namespace {

/// Beyond it a double does not count bytes any more.
constexpr double kMostBytes = 0x1p53;

const std::map<std::string, double> kUnits = {
    {"", 1},         {"b", 1},        {"k", 1e3},      {"kb", 1e3},     {"m", 1e6},
    {"mb", 1e6},     {"g", 1e9},      {"gb", 1e9},     {"t", 1e12},     {"tb", 1e12},
    {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40},
};

}  // namespace

std::optional<uint64_t> parse_byte_size(const std::string& text) {
  const char* end = text.data() + text.size();
  double number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return {};
  std::string unit(stopped, end);
  unit.erase(0, unit.find_first_not_of(' '));
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found = kUnits.find(unit);
  if (found == kUnits.end()) return {};
  const double bytes = number * found->second;
  if (!(bytes >= 1 && bytes <= kMostBytes)) return {};
  return uint64_t(std::llround(bytes));
}

}  // namespace nibble
