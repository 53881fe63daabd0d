#include "text/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace nibble {

namespace {

constexpr char32_t kFirstMoved = 0x100, kLastMoved = 0x143;

constexpr bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

struct Maps {
  std::array<char32_t, 256> to_character{};
  std::array<int16_t, kLastMoved + 1> to_byte{};

  constexpr Maps() {
    to_byte.fill(-1);
    char32_t next = kFirstMoved;
    for (int byte = 0; byte < 256; ++byte) {
      to_character[size_t(byte)] = is_printable(byte) ? char32_t(byte) : next++;
      to_byte[to_character[size_t(byte)]] = int16_t(byte);
    }
  }
};

constexpr Maps kMaps;

}  // namespace

char32_t byte_level_character(uint8_t byte) {
  return kMaps.to_character[byte];
}

std::optional<std::string> decode_byte_level(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const CodePoint point = decode_utf8(token);
    if (point.length == 0 || point.value > kLastMoved || kMaps.to_byte[point.value] < 0) return std::nullopt;
    bytes += char(kMaps.to_byte[point.value]);
    token.remove_prefix(size_t(point.length));
  }
  return bytes;
}

}  // namespace nibble
