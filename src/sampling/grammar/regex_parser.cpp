#include "sampling/grammar/regex_parser.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

namespace {

using Expression = Regex::Expression;
using Kind = Expression::Kind;

constexpr int kMostNesting = 200;
constexpr uint32_t kMostRepeats = 1'000'000;

const CodePointSet& digits() {
  static const CodePointSet set = {{'0', '9'}};
  return set;
}
const CodePointSet& word_characters() {
  static const CodePointSet set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}
/// Written for \s; the spaces of other scripts are left out there, but \S excludes them all.
const CodePointSet& spaces() {
  static const CodePointSet set = {{'\t', '\r'}, {' ', ' '}};
  return set;
}
const CodePointSet& all_spaces() {
  static const CodePointSet set = {{'\t', '\r'},     {0x1c, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
                                   {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                   {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  return set;
}
CodePointSet any_but_line_ends() {
  return CodePointSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement();
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {
    if (const size_t bad = find_invalid_utf8(pattern); bad != pattern.size()) {
      fail("the regular expression is not UTF-8 at byte {}", bad);
    }
  }

  Expression parse() {
    Expression whole = alternatives(0);
    if (!at_end()) error("an unmatched )");
    return whole;
  }

 private:
  [[noreturn]] void error(std::string_view what) const {
    fail("the regular expression '{}' has {} at byte {}", pattern_.substr(0, 200), what, at_);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail("the regular expression '{}' uses {} at byte {}, which is not supported", pattern_.substr(0, 200),
         what, at_);
  }
  bool at_end() const { return at_ == pattern_.size(); }
  bool sees(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!sees(text)) return false;
    at_ += text.size();
    return true;
  }
  char32_t take_character() {
    const CodePoint c = decode_utf8(pattern_.substr(at_));
    at_ += size_t(c.length);
    return c.value;
  }

  Expression alternatives(int depth) {
    if (depth > kMostNesting) error(fmt::format("more than {} groups inside each other", kMostNesting));
    Expression result{.kind = Kind::alternatives};
    do {
      Expression branch{.kind = Kind::sequence};
      while (!at_end() && !sees("|") && !sees(")")) branch.children.push_back(repeated(depth));
      result.children.push_back(std::move(branch));
    } while (take("|"));
    if (result.children.size() == 1) return std::move(result.children.front());
    return result;
  }

  Expression repeated(int depth) {
    Expression inner = atom(depth);
    while (const auto bounds = quantifier()) {
      if (inner.kind == Kind::begin || inner.kind == Kind::end) error("nothing that could be repeated");
      Expression repeat{.kind = Kind::repeat, .least = bounds->first, .most = bounds->second};
      repeat.children.push_back(std::move(inner));
      inner = std::move(repeat);
      if (take("?")) continue;  // lazy: the same texts match
      if (sees("+")) unsupported("a possessive quantifier");
      break;
    }
    return inner;
  }

  std::optional<std::pair<uint32_t, uint32_t>> quantifier() {
    if (take("*")) return {{0, Automaton::kUnbounded}};
    if (take("+")) return {{1, Automaton::kUnbounded}};
    if (take("?")) return {{0, 1}};
    const size_t start = at_;
    if (!take("{")) return {};
    const auto least = number();
    auto most = least;
    if (take(",")) most = number().value_or(Automaton::kUnbounded);
    if (!least || !take("}")) {
      at_ = start;  // a brace that means itself
      return {};
    }
    if (*most < *least) error("a repetition whose bounds are the wrong way round");
    return {{*least, *most}};
  }

  std::optional<uint32_t> number() {
    if (at_end() || pattern_[at_] < '0' || pattern_[at_] > '9') return {};
    uint32_t value = 0;
    while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      value = value * 10 + uint32_t(pattern_[at_++] - '0');
      if (value > kMostRepeats) error(fmt::format("a repetition of more than {}", kMostRepeats));
    }
    return value;
  }

  Expression atom(int depth) {
    if (sees("(")) return group(depth);
    if (sees("[")) return set_of(character_class());
    if (take("^")) return {.kind = Kind::begin};
    if (take("$")) return {.kind = Kind::end};
    if (take(".")) return set_of(any_but_line_ends());
    if (sees("*") || sees("+") || sees("?")) error("nothing that could be repeated");
    if (sees("\\")) {
      if (sees("\\A")) return at_ += 2, Expression{.kind = Kind::begin};
      if (sees("\\z") || sees("\\Z")) return at_ += 2, Expression{.kind = Kind::end};
      return set_of(escape(false));
    }
    const char32_t c = take_character();
    return set_of({{c, c}});
  }

  static Expression set_of(CodePointSet set) { return {.kind = Kind::set, .set = std::move(set)}; }

  Expression group(int depth) {
    take("(");
    if (take("?")) {
      if (sees("=") || sees("!") || sees("<=") || sees("<!")) unsupported("look-around");
      if (take("<") || take("P<")) {
        while (!at_end() && !sees(">")) ++at_;
        if (!take(">")) error("a group whose name does not end");
      } else if (!take(":")) {
        unsupported("a group with flags");
      }
    }
    Expression inner = alternatives(depth + 1);
    if (!take(")")) error("a group that does not end");
    return inner;
  }

  CodePointSet character_class() {
    take("[");
    const bool negated = take("^");
    CodePointSet set;
    for (bool first = true; first || !sees("]"); first = false) {
      if (at_end()) error("a class of characters that does not end");
      if (first && sees("]")) break;  // ECMAScript: empty
      add_class_item(set);
    }
    take("]");
    return negated ? set.complement() : set;
  }

  void add_class_item(CodePointSet& set) {
    const CodePointSet first = class_atom();
    const bool single = first.ranges().size() == 1 && first.ranges()[0].first == first.ranges()[0].second;
    if (!sees("-") || sees("-]") || !single) return set.add(first);
    take("-");
    if (at_end()) error("a class of characters that does not end");
    const CodePointSet last = class_atom();
    if (last.ranges().size() != 1 || last.ranges()[0].first != last.ranges()[0].second) {
      error("a range whose end is no character");
    }
    if (last.ranges()[0].first < first.ranges()[0].first) error("a range whose ends are the wrong way round");
    set.add(first.ranges()[0].first, last.ranges()[0].first);
  }

  CodePointSet class_atom() {
    if (sees("\\")) return escape(true);
    const char32_t c = take_character();
    return {{c, c}};
  }

  CodePointSet escape(bool in_class) {
    const auto single = [](char32_t c) { return CodePointSet{{c, c}}; };
    take("\\");
    if (at_end()) error("a backslash with nothing behind it");
    const char32_t c = take_character();
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return digits().complement();
      case 'w':
        return word_characters();
      case 'W':
        return word_characters().complement();
      case 's':
        return spaces();
      case 'S':
        return all_spaces().complement();
      case 'n':
        return single('\n');
      case 'r':
        return single('\r');
      case 't':
        return single('\t');
      case 'f':
        return single('\f');
      case 'v':
        return single('\v');
      case '0':
        return single(0);
      case 'x':
        return single(hexadecimal(2));
      case 'u':
        return single(unicode_escape());
      case 'b':
        if (in_class) return single('\b');
        unsupported("a word boundary");
      case 'B':
        unsupported("a word boundary");
      case 'p':
      case 'P':
        unsupported("a Unicode property");
      default:
        break;
    }
    if (c >= '1' && c <= '9') unsupported("a back-reference");
    if (word_characters().contains(c)) unsupported(fmt::format("the escape \\{}", char(c)));
    return single(c);
  }

  char32_t unicode_escape() {
    if (!take("{")) return hexadecimal(4);
    size_t end = at_;
    while (end < pattern_.size() && pattern_[end] != '}') ++end;
    if (end == at_ || end - at_ > 6) error("a code point that is none");
    const char32_t value = hexadecimal(end - at_);
    if (value > 0x10ffff || !take("}")) error("a code point that is none");
    return value;
  }

  char32_t hexadecimal(size_t digits_wanted) {
    char32_t value = 0;
    for (size_t i = 0; i < digits_wanted; ++i, ++at_) {
      const char c = at_end() ? '\0' : pattern_[at_];
      const std::string_view all = "0123456789abcdef";
      const size_t digit = all.find(char(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
      if (digit == std::string_view::npos) error("a hexadecimal number that is none");
      value = value * 16 + char32_t(digit);
    }
    return value;
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

Expression parse_regex(std::string_view pattern) {
  return Parser(pattern).parse();
}

}  // namespace nibble
