#include "serve/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.h"
#include "serve/http.h"

namespace nibble {
namespace {

using ::testing::HasSubstr;

/// The status and message of the ApiError that a call throws.
template <typename Call>
std::string refusal_of(Call call) {
  try {
    call();
  } catch (const ApiError& error) {
    return to_text(error.body());
  }
  return "no error";
}

TEST(JsonFields, ReadsWhatIsThereAndTakesNullForAbsent) {
  const auto body =
      JsonFields::parse_body(R"({"a": 3, "b": 2.5, "c": "x", "d": null, "e": ["p", "q"], "f": 16.0})");
  const JsonFields fields(body);
  EXPECT_EQ(fields.integer("a"), 3);
  EXPECT_EQ(fields.number("b", 0, 10), 2.5);
  EXPECT_EQ(fields.text("c"), "x");
  EXPECT_EQ(fields.text("d"), std::nullopt);
  EXPECT_EQ(fields.integer("none"), std::nullopt);
  EXPECT_EQ(fields.texts("e"), (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(fields.texts("c"), std::vector<std::string>{"x"});
  EXPECT_EQ(fields.integer("f"), 16);
}

TEST(JsonFields, ErrorsNameTheFieldAndWhatItMayBe) {
  const auto body = JsonFields::parse_body(R"({"n": 500, "t": 7, "big": 18446744073709551615, "half": 1.5})");
  const JsonFields fields(body, "outer.");
  EXPECT_THAT(refusal_of([&] { fields.integer("n", 1, 128); }),
              HasSubstr("outer.n is 500, but must be from 1 to 128"));
  EXPECT_THAT(refusal_of([&] { fields.text("t"); }), HasSubstr(R"("param":"outer.t")"));
  EXPECT_THAT(refusal_of([&] { fields.integer("big"); }), HasSubstr("whole number"));
  EXPECT_THAT(refusal_of([&] { fields.integer("half"); }), HasSubstr("whole number"));
  EXPECT_THAT(refusal_of([&] { fields.required("none"); }), HasSubstr("outer.none is missing"));
  EXPECT_THAT(refusal_of([&] { fields.required_text("none"); }), HasSubstr("outer.none is missing"));
  EXPECT_THAT(refusal_of([&] { fields.required_text("n"); }), HasSubstr("outer.n must be a text"));
}

TEST(JsonFields, RefusesBodiesThatAreNoObject) {
  EXPECT_THAT(refusal_of([] { JsonFields::parse_body("{\"a\": "); }), HasSubstr("invalid_json"));
  EXPECT_THAT(refusal_of([] { JsonFields::parse_body("{\"a\": 1e999}"); }), HasSubstr("invalid_json"));
  EXPECT_THAT(refusal_of([] { JsonFields::parse_body("[1]"); }), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal_of([] { JsonFields::parse_body("{\"a\": \"\xff\"}"); }), HasSubstr("invalid_json"));
  const std::string deep = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_THAT(refusal_of([&] { JsonFields::parse_body(deep); }), HasSubstr("nested too deeply"));
}

TEST(JsonFields, TokenIdsLieInTheVocabulary) {
  const auto list = [](const char* text) { return nlohmann::ordered_json::parse(text); };
  EXPECT_EQ(read_token_ids(list("[1, 2, 258]"), "prompt", 259), (std::vector<int32_t>{1, 2, 258}));
  EXPECT_THAT(refusal_of([&] { read_token_ids(list("[1, 259]"), "prompt", 259); }),
              HasSubstr("from 0 to 258"));
  EXPECT_THAT(refusal_of([&] { read_token_ids(list("[-1]"), "prompt", 259); }), HasSubstr("prompt"));
  EXPECT_THAT(refusal_of([&] { read_token_ids(list("[1.5]"), "prompt", 259); }), HasSubstr("prompt"));
}

}  // namespace
}  // namespace nibble
