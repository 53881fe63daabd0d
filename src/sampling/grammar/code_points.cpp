#include "sampling/grammar/code_points.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace nibble {

namespace {

constexpr char32_t kLast = 0x10ffff, kSurrogates = 0xd800, kAfterSurrogates = 0xe000;

/// Both ends have the same length in UTF-8. Cuts the range until every byte but the first may be any
/// continuation byte between the two ends' bytes, independent of the others.
void add_sequences(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  std::string low, high;
  append_utf8(low, first);
  append_utf8(high, last);
  for (size_t i = 1; i < low.size(); ++i) {
    const char32_t mask = (char32_t(1) << (6 * i)) - 1;  // the code point's bits in the last i bytes
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      add_sequences(first, first | mask, out);
      return add_sequences((first | mask) + 1, last, out);
    }
    if ((last & mask) != mask) {
      add_sequences(first, (last & ~mask) - 1, out);
      return add_sequences(last & ~mask, last, out);
    }
  }
  ByteSequence sequence{low.size(), {}, {}};
  std::ranges::transform(low, sequence.low.begin(), [](char c) { return uint8_t(c); });
  std::ranges::transform(high, sequence.high.begin(), [](char c) { return uint8_t(c); });
  out.push_back(sequence);
}

}  // namespace

CodePointSet::CodePointSet(std::initializer_list<Range> ranges) {
  for (const auto& [first, last] : ranges) add(first, last);
}

void CodePointSet::add(char32_t first, char32_t last) {
  if (first < kSurrogates && last >= kSurrogates) {
    add(first, kSurrogates - 1);
    first = kAfterSurrogates;
  }
  if (first >= kSurrogates && first < kAfterSurrogates) first = kAfterSurrogates;
  if (last >= kSurrogates && last < kAfterSurrogates) last = kSurrogates - 1;
  if (first > last) return;
  const auto begin = std::ranges::find_if(ranges_, [&](const Range& r) { return r.second + 1 >= first; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->second);
  }
  ranges_.insert(ranges_.erase(begin, end), {first, last});
}

void CodePointSet::add(const CodePointSet& other) {
  for (const auto& [first, last] : other.ranges_) add(first, last);
}

CodePointSet CodePointSet::complement() const {
  CodePointSet out;
  char32_t next = 0;
  for (const auto& [first, last] : ranges_) {
    if (first > next) out.add(next, first - 1);
    next = last + 1;
  }
  if (next <= kLast) out.add(next, kLast);
  return out;
}

CodePointSet CodePointSet::without(const CodePointSet& other) const {
  CodePointSet out = complement();
  out.add(other);
  return out.complement();
}

bool CodePointSet::contains(char32_t c) const {
  return std::ranges::any_of(ranges_, [&](const Range& r) { return r.first <= c && c <= r.second; });
}

std::vector<ByteSequence> utf8_sequences(const CodePointSet& set) {
  std::vector<ByteSequence> out;
  constexpr std::array<CodePointSet::Range, 4> kLengths = {
      {{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xffff}, {0x10000, kLast}}};
  for (const auto& [first, last] : set.ranges()) {
    for (const auto& [shortest, longest] : kLengths) {
      const char32_t low = std::max(first, shortest), high = std::min(last, longest);
      if (low <= high) add_sequences(low, high, out);
    }
  }
  return out;
}

}  // namespace nibble
