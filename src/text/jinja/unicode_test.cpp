#include "text/jinja/unicode.h"

#include <gtest/gtest.h>

namespace nibble::jinja {
namespace {

// Goldens are Python's str methods on the same texts.
TEST(Unicode, CaseMappingsFollowPython) {
  EXPECT_EQ(to_upper("straße ŉ ǆ ﬁ é"), "STRASSE ʼN Ǆ FI É");
  EXPECT_EQ(to_lower("ΑΣ Σ ΑΣΑ İ ÀÉ Ꙁ"), "ας σ ασα i̇ àé ꙁ");
  EXPECT_EQ(to_lower("Α.Σ. Α\u0301Σ\u0301"), "α.ς. α\u0301ς\u0301");
  EXPECT_EQ(to_title("they're ǆ ﬁn 2nd"), "They'Re ǅ Fin 2Nd");
  EXPECT_EQ(capitalize("ßABC É"), "Ssabc é");
  EXPECT_EQ(swap_case("aÉß ǅ"), "AéSS ǅ");
  EXPECT_EQ(fold_case("Straße ϐ"), "strasse β");
}

TEST(Unicode, PropertiesFollowPython) {
  EXPECT_TRUE(is_alpha(U'ª') && is_alpha(U'世') && !is_alpha(U'1') && !is_alpha(0x0301));
  EXPECT_TRUE(is_decimal(U'٣') && !is_decimal(U'²') && is_digit(U'²') && is_numeric(U'½') && !is_digit(U'½'));
  EXPECT_TRUE(is_space(0x3000) && is_space(0x85) && is_space(0x1c) && !is_space(0x200b));
  EXPECT_TRUE(is_printable(U'é') && is_printable(U' ') && !is_printable(0xa0) && !is_printable(0x200b) &&
              !is_printable(0xd800));
  EXPECT_TRUE(is_lower(U'ß') && is_upper(U'Ⅷ') && is_title(0x1c5) && is_cased(0x1c5));
}

TEST(Unicode, InvalidBytesAreCharactersOfTheirOwn) {
  EXPECT_EQ(count_characters("a\xff\xc3\xa9\xe4\xb8"), 5u);
  EXPECT_EQ(character_at("\xff", 0).value, char32_t(0xdcff));
  EXPECT_EQ(character_before("é", 2).bytes, 2u);
  EXPECT_EQ(character_before("\xa9", 1).bytes, 1u);
  EXPECT_EQ(to_upper("a\xff"), "A\xff");
}

TEST(Unicode, StripTakesSpaceOrTheGivenCharacters) {
  const std::string_view chars = "é世";
  EXPECT_EQ(strip("\u3000 x \n", StripEnds::both), "x");
  EXPECT_EQ(strip(" x ", StripEnds::left), "x ");
  EXPECT_EQ(strip("世éx世", StripEnds::both, &chars), "x");
  EXPECT_EQ(strip("世éx世", StripEnds::right, &chars), "世éx");
  EXPECT_EQ(strip("世é", StripEnds::both, &chars), "");
}

}  // namespace
}  // namespace nibble::jinja
