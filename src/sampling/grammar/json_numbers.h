#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nibble {

/// A decimal number, exactly as it is written.
struct Decimal {
  bool negative = false;
  std::string whole = "0";  ///< without leading zeros
  std::string fraction;     ///< without trailing zeros

  /// Throws Error for what needs more than 18 digits on either side of the point.
  static Decimal parse(const std::string& text);
  bool is_zero() const { return whole == "0" && fraction.empty(); }
  bool operator==(const Decimal&) const = default;
};

/// -1, 0 or 1 as a is below, equal to or above b.
int compare(const Decimal& a, const Decimal& b);

struct NumberBounds {
  std::optional<Decimal> least, most;
  bool least_included = true, most_included = true;
};

/// Integers of one sign by their digits, as JSON writes them; zero has no sign.
struct IntegerRange {
  bool negative;
  std::string least, most;  ///< magnitudes, without leading zeros

  /// Its parts of one number of digits each.
  std::vector<std::pair<std::string, std::string>> by_length() const;
};

/// The integers within the bounds, at most two ranges; up to 15 digits where there is no bound.
std::vector<IntegerRange> integer_ranges(const NumberBounds& bounds);

/// Regular expressions for JSON numbers within the bounds; empty when there are none. They match no number of
/// more than 15 digits before the point, unless a bound has more, and few enough behind it that reading
/// them as float64 does not carry them over a bound. Without bounds numbers may have an exponent.
std::string integer_regex(const NumberBounds& bounds);
std::string number_regex(const NumberBounds& bounds);

}  // namespace nibble
