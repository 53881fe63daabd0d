#include "base/utf8.h"

namespace nibble {

namespace {

struct Lead {
  int length;
  uint8_t low, high;  // what the second byte may be
};

/// Table 3-7 of the Unicode standard: well-formed byte sequences.
Lead classify(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

bool continues(uint8_t byte, int index, const Lead& lead) {
  return index == 1 ? byte >= lead.low && byte <= lead.high : (byte & 0xc0) == 0x80;
}

}  // namespace

CodePoint decode_utf8(std::string_view text) {
  if (text.empty()) return {};
  const auto first = uint8_t(text[0]);
  const Lead lead = classify(first);
  if (lead.length == 0 || size_t(lead.length) > text.size()) return {};
  if (lead.length == 1) return {first, 1};
  char32_t value = first & (0x7fu >> lead.length);
  for (int i = 1; i < lead.length; ++i) {
    const auto byte = uint8_t(text[size_t(i)]);
    if (!continues(byte, i, lead)) return {};
    value = (value << 6) | (byte & 0x3fu);
  }
  return {value, lead.length};
}

void append_utf8(std::string& out, char32_t value) {
  if (value < 0x80) {
    out += char(value);
  } else if (value < 0x800) {
    out += char(0xc0 | (value >> 6));
    out += char(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    out += char(0xe0 | (value >> 12));
    out += char(0x80 | ((value >> 6) & 0x3f));
    out += char(0x80 | (value & 0x3f));
  } else {
    out += char(0xf0 | (value >> 18));
    out += char(0x80 | ((value >> 12) & 0x3f));
    out += char(0x80 | ((value >> 6) & 0x3f));
    out += char(0x80 | (value & 0x3f));
  }
}

size_t find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const int length = decode_utf8(text.substr(at)).length;
    if (length == 0) return at;
    at += size_t(length);
  }
  return at;
}

size_t complete_utf8_prefix(std::string_view text) {
  // A character is at most 4 bytes, so only the last 3 can begin one that is not whole yet.
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const size_t at = text.size() - back;
    const Lead lead = classify(uint8_t(text[at]));
    if (lead.length <= 1) {
      if ((uint8_t(text[at]) & 0xc0) == 0x80) continue;
      return text.size();
    }
    if (size_t(lead.length) <= back) return text.size();
    for (size_t i = 1; i < back; ++i) {
      if (!continues(uint8_t(text[at + i]), int(i), lead)) return text.size();
    }
    return at;
  }
  return text.size();
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t valid = find_invalid_utf8(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) break;
    const Lead lead = classify(uint8_t(text[0]));
    size_t length = 1;
    while (int(length) < lead.length && length < text.size() &&
           continues(uint8_t(text[length]), int(length), lead)) {
      ++length;
    }
    append_utf8(out, 0xfffd);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace nibble
