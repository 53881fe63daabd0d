#include "sampling/grammar/json_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/error.h"

namespace nibble {

namespace {

/// float64 holds every number of so many digits.
constexpr size_t kExactDigits = 15;
constexpr size_t kMostDigits = 18;

std::string join_alternatives(const std::vector<std::string>& parts) {
  if (parts.empty()) return {};
  return parts.size() == 1 ? parts.front() : fmt::format("(?:{})", fmt::join(parts, "|"));
}

std::string any_digits(size_t least, size_t most) {
  return most == 0 ? "" : fmt::format("[0-9]{{{},{}}}", least, most);
}

/// Strings of digits from low to high, all of their length; in a fraction those that end earlier too, where
/// what they leave out is free.
std::string digits_regex(const std::string& low, const std::string& high, bool fraction) {
  if (low.empty() || low == high) return low;
  if (low.find_first_not_of('0') == std::string::npos && high.find_first_not_of('9') == std::string::npos) {
    return any_digits(fraction ? 0 : low.size(), low.size());
  }
  const std::string low_rest = low.substr(1), high_rest = high.substr(1);
  if (low[0] == high[0]) return low[0] + digits_regex(low_rest, high_rest, fraction);
  const size_t rest = low_rest.size();
  std::vector<std::string> parts = {low[0] + digits_regex(low_rest, std::string(rest, '9'), fraction)};
  if (high[0] - low[0] > 1) {
    parts.push_back(
        fmt::format("[{}-{}]{}", char(low[0] + 1), char(high[0] - 1), any_digits(fraction ? 0 : rest, rest)));
  }
  parts.push_back(high[0] + digits_regex(std::string(rest, '0'), high_rest, fraction));
  return join_alternatives(parts);
}

bool below(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

/// Whole numbers, not negative, from low to high.
std::string whole_regex(const std::string& low, const std::string& high) {
  std::vector<std::string> parts;
  for (const auto& [first, last] : IntegerRange{false, low, high}.by_length()) {
    parts.push_back(digits_regex(first, last, false));
  }
  return join_alternatives(parts);
}

/// The number of as many digits one above or below; empty when there is none.
std::string neighbour(std::string digits, int step) {
  const char end = step > 0 ? '9' : '0', start = step > 0 ? '0' : '9';
  size_t i = digits.size();
  while (i > 0 && digits[i - 1] == end) digits[--i] = start;
  if (i == 0) return {};
  digits[i - 1] = char(digits[i - 1] + step);
  return digits;
}

std::string next_whole(const std::string& whole) {
  const std::string next = neighbour(whole, 1);
  return next.empty() ? "1" + std::string(whole.size(), '0') : next;
}

std::string previous_whole(const std::string& whole) {
  if (whole == "0") return {};
  const std::string previous = neighbour(whole, -1);
  return previous.size() > 1 && previous[0] == '0' ? previous.substr(1) : previous;
}

/// A range of numbers without their sign.
struct Magnitudes {
  Decimal least;
  bool least_included = true;
  std::optional<Decimal> most;
  bool most_included = true;
};

std::string any_fraction(size_t digits) {
  return fmt::format("(?:\\.[0-9]{{1,{}}})?", digits);
}

/// What may follow a whole part: a fraction from `low` on, to `high` or below 1; nothing when there is none.
std::optional<std::string> fraction_regex(const std::string& low, bool low_included,
                                          const std::optional<std::string>& high, bool high_included,
                                          size_t more) {
  if (low.empty() && low_included && !high) return any_fraction(more);
  const bool included = low_included && (!high || high_included);
  const size_t digits = std::max({low.size(), high ? high->size() : 0, size_t(1)}) + (included ? 0 : 1);
  std::string first = low + std::string(digits - low.size(), '0');
  std::string last = high ? *high + std::string(digits - high->size(), '0') : std::string(digits, '9');
  if (!low_included) first = neighbour(first, 1);
  if (high && !high_included) last = neighbour(last, -1);
  const bool whole = low.empty() && low_included && (high_included || !high || !high->empty());
  std::string result;
  if (!first.empty() && !last.empty() && first <= last) {
    const std::string free = digits_regex(std::string(digits, '0'), std::string(digits, '9'), true);
    result = digits_regex(first, last, true);
    result = "\\." + (result == free ? any_digits(1, digits) : result);
    if (!high) result += any_digits(0, more);
    if (whole) result = "(?:" + result + ")?";
    return result;
  }
  return whole ? std::optional<std::string>("") : std::nullopt;
}

std::string magnitude_regex(const Magnitudes& range) {
  const Decimal most = range.most.value_or(
      Decimal{false, std::string(std::max(kExactDigits, range.least.whole.size()), '9'), ""});
  if (compare(range.least, most) > 0) return {};
  const size_t longest = std::max(range.least.whole.size(), range.most ? range.most->whole.size() : 0);
  const size_t more = longest < kExactDigits ? kExactDigits - longest : 1;
  std::vector<std::string> parts;
  const auto add = [&](const std::string& whole, const std::optional<std::string>& fraction) {
    if (!whole.empty() && fraction) parts.push_back(whole + *fraction);
  };
  if (range.least.whole == most.whole) {
    add(most.whole,
        fraction_regex(range.least.fraction, range.least_included, most.fraction, range.most_included, more));
  } else {
    add(range.least.whole, fraction_regex(range.least.fraction, range.least_included, {}, true, more));
    add(whole_regex(next_whole(range.least.whole), previous_whole(most.whole)), any_fraction(more));
    add(most.whole, fraction_regex("", true, most.fraction, range.most_included, more));
  }
  return join_alternatives(parts);
}

Decimal negated(Decimal d) {
  d.negative = !d.negative && !d.is_zero();
  return d;
}

/// The nearest whole numbers within the bounds.
std::optional<Decimal> whole_bound(const std::optional<Decimal>& bound, bool included, bool upwards) {
  if (!bound) return {};
  Decimal d = *bound;
  const bool moves_away = upwards != d.negative;  // from zero
  const bool is_whole = d.fraction.empty();
  d.fraction.clear();
  if (moves_away ? (!is_whole || !included) : (is_whole && !included)) {
    if (moves_away) {
      d.whole = next_whole(d.whole);
    } else if (d.whole == "0") {
      return Decimal{true, "1", ""};  // below zero: upwards it moves away
    } else {
      d.whole = previous_whole(d.whole);
    }
  }
  if (d.is_zero()) d.negative = false;
  return d;
}

}  // namespace

Decimal Decimal::parse(const std::string& text) {
  Decimal d;
  size_t at = text.starts_with('-') ? 1 : 0;
  d.negative = at == 1;
  const size_t e = std::min(text.find_first_of("eE"), text.size());
  const size_t point = std::min(text.find('.'), e);
  std::string digits = text.substr(at, point - at);
  long whole_digits = long(digits.size());
  if (point < e) digits += text.substr(point + 1, e - point - 1);
  if (e < text.size()) whole_digits += std::strtol(text.c_str() + e + 1, nullptr, 10);
  const auto too_long = [&] {
    fail("the bound {} has more digits than the {} that are supported", text, kMostDigits);
  };
  if (std::abs(whole_digits) > 40) too_long();
  if (whole_digits < 0) digits.insert(0, size_t(-whole_digits), '0');
  const size_t cut = size_t(std::max(whole_digits, 0L));
  if (digits.size() < cut) digits.append(cut - digits.size(), '0');
  d.whole = digits.substr(0, cut);
  d.fraction = digits.substr(cut);
  d.whole.erase(0, std::min(d.whole.find_first_not_of('0'), d.whole.size()));
  d.fraction.erase(d.fraction.find_last_not_of('0') + 1);
  if (d.whole.size() > kMostDigits || d.fraction.size() > kMostDigits) too_long();
  if (d.whole.empty()) d.whole = "0";
  if (d.is_zero()) d.negative = false;
  return d;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.whole != b.whole) {
    order = below(a.whole, b.whole) ? -1 : 1;
  } else if (a.fraction != b.fraction) {
    order = a.fraction < b.fraction ? -1 : 1;  // no trailing zeros
  }
  return a.negative ? -order : order;
}

std::vector<std::pair<std::string, std::string>> IntegerRange::by_length() const {
  std::vector<std::pair<std::string, std::string>> parts;
  if (below(most, least)) return parts;
  for (size_t length = least.size(); length <= most.size(); ++length) {
    parts.emplace_back(length == least.size() ? least : "1" + std::string(length - 1, '0'),
                       length == most.size() ? most : std::string(length, '9'));
  }
  return parts;
}

std::vector<IntegerRange> integer_ranges(const NumberBounds& bounds) {
  const auto least = whole_bound(bounds.least, bounds.least_included, true);
  const auto most = whole_bound(bounds.most, bounds.most_included, false);
  if (least && most && compare(*least, *most) > 0) return {};
  const auto open_end = [](const Decimal& d) {
    return std::string(std::max(kExactDigits, d.whole.size()), '9');
  };
  std::vector<IntegerRange> ranges;
  if (!least || least->negative) {
    const Decimal nearest = most && most->negative ? *most : Decimal{true, "1", ""};
    ranges.push_back({true, nearest.whole, least ? least->whole : open_end(nearest)});
  }
  if (!most || !most->negative) {
    const Decimal nearest = least && !least->negative ? *least : Decimal{};
    ranges.push_back({false, nearest.whole, most ? most->whole : open_end(nearest)});
  }
  return ranges;
}

std::string integer_regex(const NumberBounds& bounds) {
  std::vector<std::string> parts;
  for (const IntegerRange& range : integer_ranges(bounds)) {
    const std::string part = whole_regex(range.least, range.most);
    if (!part.empty()) parts.push_back((range.negative ? "-" : "") + part);
  }
  return join_alternatives(parts);
}

std::string number_regex(const NumberBounds& bounds) {
  const auto& [least, most, least_included, most_included] = bounds;
  if (!least && !most) {
    return fmt::format("-?(?:0|[1-9][0-9]{{0,{}}})(?:\\.[0-9]{{1,{}}})?(?:[eE][+-]?[0-9]{{1,2}})?",
                       kExactDigits - 1, kExactDigits);
  }
  std::vector<std::string> parts;
  if (!least || least->negative) {
    // Zero is written without a sign.
    Magnitudes range{Decimal{}, false, {}, true};
    if (most && most->negative) range = {negated(*most), most_included, {}, true};
    if (least) {
      range.most = negated(*least);
      range.most_included = least_included;
    }
    const std::string part = magnitude_regex(range);
    if (!part.empty()) parts.push_back("-" + part);
  }
  if (!most || !most->negative) {
    Magnitudes range{Decimal{}, true, most, most_included};
    if (least && !least->negative) {
      range.least = *least;
      range.least_included = least_included;
    }
    const std::string part = magnitude_regex(range);
    if (!part.empty()) parts.push_back(part);
  }
  return join_alternatives(parts);
}

}  // namespace nibble
