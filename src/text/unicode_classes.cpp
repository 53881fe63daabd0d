#include "text/unicode_classes.h"

#include <algorithm>
#include <map>

namespace nibble {

namespace {

struct CodeRange {
  char32_t first, last;
};

#include "text/unicode_ranges.inc"

template <size_t N>
void mark(std::vector<uint8_t>& classes, const CodeRange (&ranges)[N], uint8_t bit) {
  for (const CodeRange& range : ranges) {
    for (char32_t code = range.first; code <= range.last; ++code) classes[code] |= bit;
  }
}

}  // namespace

UnicodeClasses::UnicodeClasses() {
  std::vector<uint8_t> classes(0x110000);
  mark(classes, kLetters, kLetter);
  mark(classes, kNumbers, kNumber);
  mark(classes, kWhitespaces, kWhitespace);
  mark(classes, kDigits, kDigit);
  mark(classes, kWordParts, kWordPart);
  mark(classes, kNfcUnsafes, kNfcUnsafe);
  // Most pages are alike (unassigned, ideographs), so that the distinct ones fit the second-level cache.
  std::map<std::vector<uint8_t>, uint16_t> known;
  for (size_t page = 0; page < page_of_.size(); ++page) {
    std::vector<uint8_t> content(classes.begin() + ptrdiff_t(page * 256),
                                 classes.begin() + ptrdiff_t(page * 256 + 256));
    const auto [it, is_new] = known.try_emplace(std::move(content), uint16_t(known.size()));
    if (is_new) pages_.insert(pages_.end(), it->first.begin(), it->first.end());
    page_of_[page] = it->second;
  }
}

const UnicodeClasses& UnicodeClasses::get() {
  static const UnicodeClasses classes;
  return classes;
}

}  // namespace nibble
