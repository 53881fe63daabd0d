#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nibble {

/// What the regular expressions of pre-tokenizers ask about a character.
enum CharacterClass : uint8_t {
  kLetter = 1,      ///< \p{L}
  kNumber = 2,      ///< \p{N}
  kWhitespace = 4,  ///< \s
  kDigit = 8,       ///< what the pre-tokenizer "Digits" takes for one
  kWordPart = 16,   ///< \w: what may not touch a token that is a single word
  kNfcUnsafe = 32,  ///< may change under NFC by itself or after another character
};

/// The classes of every code point, in two steps: a page of 256 code points, then the one within it.
class UnicodeClasses {
 public:
  static const UnicodeClasses& get();
  uint8_t operator[](char32_t code) const {
    return code < 0x110000 ? pages_[page_of_[code >> 8] * size_t{256} + (code & 0xff)] : 0;
  }

 private:
  UnicodeClasses();
  std::array<uint16_t, 0x1100> page_of_{};
  std::vector<uint8_t> pages_;
};

}  // namespace nibble
