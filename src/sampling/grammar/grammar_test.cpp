#include "sampling/grammar/grammar.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/testing.h"
#include "sampling/grammar/automaton.h"
#include "sampling/grammar/configuration.h"
#include "sampling/grammar/json_numbers.h"
#include "sampling/grammar/json_schema.h"
#include "sampling/grammar/regex.h"

namespace nibble {
namespace {

using testing::error_of;

bool matches(const std::shared_ptr<const Automaton>& automaton, std::string_view text) {
  ConfigurationPool pool(automaton);
  const Configuration* here = pool.start();
  for (const char c : text) here = pool.step(here, uint8_t(c));
  return here->may_end;
}

bool regex_matches(std::string_view regex, std::string_view text) {
  return matches(regex_automaton(regex), text);
}

bool schema_accepts(std::string_view schema, std::string_view text) {
  return matches(json_schema_automaton(schema), text);
}

/// Single bytes, some words, and an end token as the last one.
std::shared_ptr<const TokenTable> table() {
  std::vector<std::string> bytes;
  for (int b = 0; b < 256; ++b) bytes.emplace_back(1, char(b));
  for (const char* word : {"true", "{\"", "\":", "ab", "abc", "12", "\xd0\xb6", "  ", "\", \"", "]}"}) {
    bytes.emplace_back(word);
  }
  bytes.emplace_back("<end>");
  const auto end = int32_t(bytes.size() - 1);
  return std::make_shared<const TokenTable>(std::move(bytes), std::vector<int32_t>{end});
}

std::vector<int32_t> allowed_tokens(GrammarState& state, size_t vocab) {
  std::vector<int32_t> ids;
  const auto mask = state.allowed();
  for (size_t id = 0; id < vocab; ++id) {
    if (mask[id / 64] >> (id % 64) & 1) ids.push_back(int32_t(id));
  }
  return ids;
}

/// The definition: a token may follow when the automaton reads its bytes.
std::vector<int32_t> tokens_by_definition(const GrammarState& state, const TokenTable& tokens) {
  std::vector<int32_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id) {
    GrammarState copy = state;
    if (copy.accept(int32_t(id))) ids.push_back(int32_t(id));
  }
  return ids;
}

TEST(Regex, Matches) {
  EXPECT_TRUE(regex_matches("a(b|c)*d", "abcbd"));
  EXPECT_FALSE(regex_matches("a(b|c)*d", "abe"));
  EXPECT_TRUE(regex_matches("^[a-c]{2,3}$", "abc"));
  EXPECT_FALSE(regex_matches("[a-c]{2,3}", "abca"));
  EXPECT_FALSE(regex_matches("[a-c]{2,3}", "a"));
  EXPECT_TRUE(regex_matches("(?:ab?){2}", "aab"));
  EXPECT_TRUE(regex_matches("(a?){3}", ""));
  EXPECT_TRUE(regex_matches("(a?){3}", "aaa"));
  EXPECT_FALSE(regex_matches("(a?){3}", "aaaa"));
  EXPECT_TRUE(regex_matches("(a*)*b", "aab"));
  EXPECT_TRUE(regex_matches("\\d+\\.\\w{4,}", "31.wxyz_9"));
  EXPECT_TRUE(regex_matches("[^\\s]+", "\xd0\xb6\xe4\xb8\xad\xf0\x9f\x99\x82"));
  EXPECT_FALSE(regex_matches("[^\\s]+", "\xd0"));
  EXPECT_FALSE(regex_matches(".", "\xed\xa0\x80"));  // a surrogate
  EXPECT_TRUE(regex_matches("[\\u0430-\\u044f]+", "\xd0\xbc\xd0\xb8\xd1\x80"));
  EXPECT_FALSE(regex_matches("[\\u0430-\\u044f]+", "\xd0\x90"));
  EXPECT_TRUE(regex_matches("a{,2}b", "a{,2}b"));  // as ECMAScript reads it
  EXPECT_TRUE(regex_matches("x{1000}", std::string(1000, 'x')));
  EXPECT_FALSE(regex_matches("x{1000}", std::string(999, 'x')));
  EXPECT_FALSE(regex_matches("x{1000}", std::string(1001, 'x')));
  EXPECT_TRUE(regex_matches("(xy){3,}", "xyxyxyxyxy"));
  EXPECT_FALSE(regex_matches("(xy){3,}", "xyxy"));
}

TEST(Regex, NamesWhatItCannotDo) {
  for (const auto& [regex, word] : std::vector<std::pair<const char*, const char*>>{
           {"(a)\\1", "back-reference"},
           {"a(?=b)", "look-around"},
           {"\\bword", "word boundary"},
           {"\\p{L}", "Unicode property"},
           {"(a", "does not end"},
           {"a)", "unmatched"},
           {"[b-a]", "wrong way"},
           {"a{3,2}", "wrong way"},
           {"*a", "nothing that could be repeated"},
           {"a\\", "backslash"},
           {"a^b", "^ or $ inside"},
           {"[a", "does not end"},
           {"(?i)a", "flags"},
           {"[^\\d\\D]", "no text"},
           {"a++", "possessive"},
           {"(a?){65}", "may be empty"},
           {"((((x{999}){999}){999}){999})y{1000001}", "more than"}}) {
    EXPECT_NE(error_of([&] { regex_automaton(regex); }).find(word), std::string::npos)
        << regex << ": " << error_of([&] { regex_automaton(regex); });
  }
}

TEST(Regex, Lengths) {
  using Range = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(Regex("a(b|cd){2,3}").lengths(false), Range(3, 7));
  EXPECT_EQ(Regex("a+").lengths(false), Range(1, Regex::kNoLimit));
  EXPECT_EQ(Regex("^abc$").lengths(true), Range(3, 3));
  EXPECT_EQ(Regex("^abc").lengths(true), Range(3, Regex::kNoLimit));
}

/// Every number of a grid against the bounds.
TEST(JsonNumbers, KeepTheirBounds) {
  const std::vector<std::string> bounds = {"-20", "-10.5", "-1",  "-0.25", "0",  "0.05",
                                           "0.5", "1",     "2.5", "9.99",  "10", "123.456"};
  std::vector<std::string> grid;
  for (int i = -2500; i <= 13000; i += 7) {
    const std::string sign = i < 0 ? "-" : "";
    const int n = std::abs(i);
    grid.push_back(fmt::format("{}{}.{:02}", sign, n / 100, n % 100));
    if (n % 100 == 0) grid.push_back(fmt::format("{}{}", sign, n / 100));
  }
  for (const std::string& low : bounds) {
    for (const std::string& high : bounds) {
      for (const bool included : {true, false}) {
        const NumberBounds b{Decimal::parse(low), Decimal::parse(high), included, included};
        const std::string regex = number_regex(b), whole = integer_regex(b);
        const auto numbers = regex.empty() ? nullptr : regex_automaton(regex);
        const auto integers = whole.empty() ? nullptr : regex_automaton(whole);
        size_t matched = 0, inside_count = 0;
        for (const std::string& text : grid) {
          const double v = std::stod(text);
          const bool inside = included ? v >= std::stod(low) && v <= std::stod(high)
                                       : v > std::stod(low) && v < std::stod(high);
          const bool match = numbers && matches(numbers, text);
          matched += match;
          inside_count += inside;
          EXPECT_FALSE(match && !inside) << text << " for " << low << " to " << high << ": " << regex;
          const bool is_whole = text.find('.') == std::string::npos;
          EXPECT_EQ(integers && matches(integers, text), is_whole && inside && text != "-0")
              << text << " for " << low << " to " << high << ": " << whole;
        }
        // Not every spelling matches, but where numbers lie inside, some do.
        if (inside_count > 8) {
          EXPECT_GT(matched, inside_count / 4) << low << " to " << high << ": " << regex;
        }
      }
    }
  }
}

TEST(JsonNumbers, DecimalsAreReadExactly) {
  const Decimal d = Decimal::parse("-1.50e2");
  EXPECT_TRUE(d.negative);
  EXPECT_EQ(d.whole, "150");
  EXPECT_EQ(d.fraction, "");
  EXPECT_EQ(Decimal::parse("1e-05").fraction, "00001");
  EXPECT_EQ(Decimal::parse("0.0"), Decimal{});
  EXPECT_THROW(Decimal::parse("1e300"), Error);
  EXPECT_THROW(Decimal::parse("1e-300"), Error);
}

TEST(JsonSchema, Objects) {
  const char* schema =
      R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer",
      "minimum": 0, "maximum": 120}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}},
      "required": ["name", "age"]})";
  EXPECT_TRUE(schema_accepts(schema, R"({"name": "Ann", "age": 120})"));
  EXPECT_TRUE(schema_accepts(schema, R"({"name":"\"\\\n\u00e9","age":0,"tags":["a","b"]})"));
  EXPECT_TRUE(schema_accepts(schema, "{\n  \"name\": \"A\",\n  \"age\": 7\n}"));
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "Ann"})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"age": 3, "name": "Ann"})"));  // another order
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "Ann", "age": 121})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "Ann", "age": 1, "tags": ["a", "b", "a"]})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "Ann", "age": 1, "tags": ["c"]})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "Ann", "age": 1, "more": 1})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"name": "\ud800", "age": 1})"));
  EXPECT_FALSE(schema_accepts(schema, "{\"name\": \"a\nb\", \"age\": 1}"));
}

TEST(JsonSchema, AdditionalProperties) {
  const char* schema =
      R"({"properties": {"ab": {"const": 1}, "a": {"const": 2}}, "additionalProperties": {"type": "boolean"}})";
  EXPECT_TRUE(schema_accepts(schema, R"({"ab": 1, "a": 2, "abc": true, "b": false})"));
  EXPECT_TRUE(schema_accepts(schema, R"({"": true})"));
  EXPECT_TRUE(schema_accepts(schema, R"({})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"ab": true})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"x": true, "a": true})"));
  EXPECT_FALSE(schema_accepts(schema, R"({"\u0061": true})"));
  const char* map =
      R"({"type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 2, "minProperties": 1})";
  EXPECT_FALSE(schema_accepts(map, "{}"));
  EXPECT_TRUE(schema_accepts(map, R"({"a": null, "b": null})"));
  EXPECT_FALSE(schema_accepts(map, R"({"a": null, "b": null, "c": null})"));
}

TEST(JsonSchema, AlternativesAndReferences) {
  const char* tree =
      R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"v": {"type":
      "integer"}, "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "left"]}}})";
  EXPECT_TRUE(schema_accepts(tree, R"({"v": 1, "left": {"v": -2, "left": null}})"));
  EXPECT_FALSE(schema_accepts(tree, R"({"v": 1, "left": {"v": -2}})"));
  const char* merged =
      R"({"allOf": [{"properties": {"a": {"type": "number"}}, "required": ["a"]}, {"properties": {"a":
      {"minimum": 5, "maximum": 9}, "b": {"type": "string", "maxLength": 2}}}]})";
  EXPECT_TRUE(schema_accepts(merged, R"({"a": 5.5, "b": "xy"})"));
  EXPECT_FALSE(schema_accepts(merged, R"({"a": 4})"));
  EXPECT_FALSE(schema_accepts(merged, R"({"a": 5, "b": "xyz"})"));
  EXPECT_FALSE(schema_accepts(merged, R"({"b": "x"})"));
  const char* one =
      R"({"oneOf": [{"properties": {"kind": {"const": "x"}, "n": {"type": "null"}}, "required": ["kind"]},
      {"properties": {"kind": {"const": "y"}, "m": {"type": "null"}}, "required": ["kind"]}]})";
  EXPECT_TRUE(schema_accepts(one, R"({"kind": "y", "m": null})"));
  EXPECT_FALSE(schema_accepts(one, R"({"kind": "y", "n": null})"));
  EXPECT_TRUE(schema_accepts(R"({"type": ["string", "null"]})", "null"));
  EXPECT_TRUE(schema_accepts(R"({"enum": [1, "1", [1, {"a": null}]], "type": ["array", "integer"]})",
                             R"([1,{"a":null}])"));
  EXPECT_FALSE(schema_accepts(R"({"enum": [1, "1"], "type": "integer"})", R"("1")"));
  EXPECT_TRUE(schema_accepts("true", R"([1, {"a": [true, null, -1.5e3]}])"));
  EXPECT_FALSE(schema_accepts("true", R"([1,])"));
  const char* tuple =
      R"({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 1})";
  EXPECT_TRUE(schema_accepts(tuple, R"([1])"));
  EXPECT_TRUE(schema_accepts(tuple, R"([1, "a", null, null])"));
  EXPECT_FALSE(schema_accepts(tuple, R"([])"));
  EXPECT_FALSE(schema_accepts(tuple, R"(["a"])"));
}

TEST(JsonSchema, Strings) {
  EXPECT_TRUE(
      schema_accepts(R"({"type": "string", "minLength": 2, "maxLength": 3})", "\"\xd0\xb6\xd0\xb6\""));
  EXPECT_FALSE(schema_accepts(R"({"type": "string", "minLength": 2, "maxLength": 3})", "\"\xd0\xb6\""));
  EXPECT_TRUE(schema_accepts(R"({"type": "string", "minLength": 2, "maxLength": 3})", R"("\n\"a")"));
  EXPECT_TRUE(schema_accepts(R"({"pattern": "^a\"b+$"})", R"("a\"bb")"));
  EXPECT_FALSE(schema_accepts(R"({"pattern": "^a\"b+$"})", R"("a"bb")"));
  EXPECT_TRUE(schema_accepts(R"({"pattern": "b"})", R"("abc")"));
  EXPECT_FALSE(schema_accepts(R"({"pattern": "^b"})", R"("abc")"));
  EXPECT_TRUE(schema_accepts(R"({"format": "date"})", R"("2024-02-28")"));
  EXPECT_FALSE(schema_accepts(R"({"format": "date"})", R"("2023-02-29")"));
  EXPECT_TRUE(schema_accepts(R"({"format": "date-time"})", R"("2024-12-31T23:59:59.5+02:00")"));
  EXPECT_TRUE(schema_accepts(R"({"format": "uuid"})", R"("123e4567-e89b-12d3-a456-426614174000")"));
  EXPECT_TRUE(schema_accepts(R"({"format": "email"})", R"("a.b@example.com")"));
  EXPECT_TRUE(schema_accepts(R"({"format": "ipv4"})", R"("192.168.0.255")"));
  EXPECT_FALSE(schema_accepts(R"({"format": "ipv4"})", R"("192.168.0.256")"));
}

/// Counted out: every integer about zero and about the bounds, and large ones at random.
TEST(JsonSchema, MultiplesAreAllThatTheBoundsAllow) {
  struct Case {
    const char* schema;
    int64_t divisor, least, most;
  };
  constexpr int64_t kOpen = 999'999'999'999'999;
  const Case cases[] = {
      {R"({"type": "integer", "multipleOf": 2})", 2, -kOpen, kOpen},
      {R"({"type": "number", "multipleOf": 7})", 7, -kOpen, kOpen},
      {R"({"multipleOf": 10.0, "minimum": 0})", 10, 0, kOpen},
      {R"({"type": "integer", "multipleOf": 25, "minimum": -310.5, "exclusiveMaximum": 1025})", 25, -310,
       1024},
      {R"({"type": "integer", "multipleOf": 1000, "exclusiveMinimum": 1000})", 1000, 1001, kOpen},
      {R"({"type": "integer", "multipleOf": 3, "minimum": 120, "maximum": 120})", 3, 120, 120},
      {R"({"type": "number", "multipleOf": 1, "minimum": 0.5, "maximum": 9.5})", 1, 1, 9},
      {R"({"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer", "maximum": -1})", 12, -kOpen,
       -1},
  };
  std::mt19937_64 random(11);
  for (const Case& c : cases) {
    const auto automaton = json_schema_automaton(c.schema);
    const auto check = [&](int64_t n) {
      const bool wanted = n % c.divisor == 0 && n >= c.least && n <= c.most;
      ASSERT_EQ(matches(automaton, std::to_string(n)), wanted) << c.schema << " " << n;
    };
    for (int64_t n = -1300; n <= 1300; ++n) check(n);
    for (int i = 0; i < 300; ++i) {
      const int64_t n = int64_t(random() % (2 * uint64_t(kOpen))) - kOpen;
      check(n);
      check(n - n % c.divisor);
    }
    for (const char* text : {"", "-", "-0", "00", "07", "0.0", "1e3", "10.", "+10", "1000000000000000"}) {
      EXPECT_FALSE(matches(automaton, text)) << c.schema << " " << text;
    }
  }
}

TEST(JsonSchema, NamesWhatItCannotDo) {
  for (const auto& [schema, word] : std::vector<std::pair<const char*, const char*>>{
           {R"({"not": {}})", "'not'"},
           {R"({"properties": {"a": {"if": {}}}})", "'if' at '#/properties/a'"},
           {R"({"uniqueItems": true})", "'uniqueItems'"},
           {R"({"$ref": "#"})", "refers to itself"},
           {R"({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]})", "refers to itself"},
           {R"({"$ref": "#/$defs/x"})", "leads nowhere"},
           {R"({"$ref": "other.json"})", "leaves the schema"},
           {R"({"type": "strin"})", "'strin'"},
           {R"({"format": "color"})", "'color'"},
           {R"({"type": "number", "multipleOf": 0.1})", "'multipleOf' is 0.1"},
           {R"({"properties": {"a": {"multipleOf": 1001}}})",
            "from 1 to 1000 are supported, at '#/properties/a'"},
           {R"({"type": "integer", "multipleOf": 0})", "'multipleOf' is 0"},
           {R"({"multipleOf": "x"})", "'multipleOf' is \"x\""},
           {R"({"allOf": [{"multipleOf": 999}, {"multipleOf": 1000}]})", "'multipleOf' is 999000"},
           {R"({"allOf": [{"multipleOf": 0.5}, {"multipleOf": 1}]})", "'multipleOf'"},
           {R"({"type": "integer", "multipleOf": 10, "minimum": 1, "maximum": 9})", "no text"},
           {R"({"patternProperties": {"a": {}}})", "'patternProperties' at '#' is not supported"},
           {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "oneOf"},
           {R"({"pattern": "a+", "maxLength": 3})", "maxLength"},
           {R"~({"pattern": "(?=a)"})~", "look-around"},
           {R"({"type": "integer", "minimum": 3, "maximum": 2})", "no text"},
           {R"({"type": 5})", "no text"},
           {R"({"required": 5})", "not one"},
           {R"({"minLength": -1})", "'minLength'"},
           {R"({"minLength": "x"})", "not one"},
           {"{", "not one"},
           {"3", "neither"},
           {R"({"const": 1, "minimum": 0})", "'minimum'"},
           {R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})", "'pattern'"}}) {
    const std::string message = error_of([&] { json_schema_automaton(schema); });
    EXPECT_NE(message.find(word), std::string::npos) << schema << ": " << message;
  }
}

TEST(JsonSchema, DepthAndCirclesEndInErrors) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"items":)";
  EXPECT_NE(error_of([&] { json_schema_automaton(deep); }).find("levels"), std::string::npos);
  const char* through_parts =
      R"({"$defs": {"a": {"allOf": [{"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}]}},
      "$ref": "#/$defs/a"})";
  EXPECT_NE(error_of([&] { json_schema_automaton(through_parts); }), "no error");
}

TEST(Grammar, MasksAreWhatTheAutomatonReads) {
  const auto tokens = table();
  const std::vector<std::shared_ptr<const Grammar>> grammars = {
      Grammar::json_object(tokens), Grammar::from_regex("(ab|abcab)*12(\xd0\xb6){2,}", tokens),
      Grammar::from_json_schema(
          R"({"properties": {"ab": {"type": "string", "maxLength": 70, "minLength": 3}, "c": {"type": "array", "items":
              {"type": "boolean"}}}, "required": ["c"], "additionalProperties": true})",
          tokens)};
  std::mt19937_64 random(5);
  for (const auto& grammar : grammars) {
    for (int answer = 0; answer < 6; ++answer) {
      GrammarState state(grammar);
      for (int step = 0; step < 90 && !state.ended(); ++step) {
        const auto ids = allowed_tokens(state, tokens->size());
        ASSERT_EQ(ids, tokens_by_definition(state, *tokens));
        ASSERT_FALSE(ids.empty());
        ASSERT_TRUE(state.accept(ids[random() % ids.size()]));
      }
    }
  }
}

TEST(Grammar, EndTokensComeWhereTheTextMayEnd) {
  const auto tokens = table();
  const auto end = int32_t(tokens->size() - 1);
  GrammarState state(Grammar::from_regex("ab?", tokens));
  EXPECT_FALSE(state.accept(end));
  EXPECT_TRUE(state.accept('a'));
  EXPECT_TRUE(state.may_end());
  EXPECT_EQ(allowed_tokens(state, tokens->size()), (std::vector<int32_t>{'b', end}));
  GrammarState copy = state;
  EXPECT_TRUE(copy.accept('b'));
  EXPECT_EQ(allowed_tokens(copy, tokens->size()), std::vector<int32_t>{end});
  EXPECT_TRUE(state.accept(end));
  EXPECT_TRUE(state.ended());
  EXPECT_TRUE(allowed_tokens(state, tokens->size()).empty());
  EXPECT_FALSE(state.accept('b'));
}

/// More configurations than are remembered at once.
TEST(Grammar, ForgetsAndGoesOn) {
  const auto tokens = table();
  GrammarState state(Grammar::from_regex("x{200000}y", tokens));
  for (int i = 0; i < 45'000; ++i) ASSERT_TRUE(state.accept('x')) << i;
  EXPECT_EQ(allowed_tokens(state, tokens->size()), std::vector<int32_t>{'x'});
  EXPECT_FALSE(state.accept('y'));
}

}  // namespace
}  // namespace nibble
