#include "text/jinja/lexer.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "text/jinja/string_literal.h"
#include "text/jinja/text.h"
#include "text/jinja/unicode.h"

namespace nibble::jinja {

namespace {

/// Line breaks of all kinds become \n, and one at the very end is dropped, as jinja2 does.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t at = 0; at < source.size(); ++at) {
    if (source[at] != '\r') {
      out += source[at];
    } else {
      out += '\n';
      if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const size_t tag = find_tag(at_);
      if (tag == std::string::npos) {
        add(TokenKind::data, source_.substr(at_));
        advance_to(source_.size());
        break;
      }
      lex_tag(tag);
    }
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  struct RawTag {
    char sign;   ///< '-', '+' or 0
    size_t end;  ///< where the text behind it begins
  };

  /// The next {{, {% or {#.
  size_t find_tag(size_t from) const {
    for (size_t at = source_.find('{', from); at != std::string::npos; at = source_.find('{', at + 1)) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return std::string::npos;
  }

  void lex_tag(size_t tag) {
    const auto raw = raw_tag(tag, "raw", false);
    const char kind = source_[tag + 1];
    char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    add_data_before(tag, raw ? raw->sign : sign, kind != '{');
    if (raw) {
      advance_to(raw->end);
      lex_raw();
      return;
    }
    const int line = line_;
    advance_to(tag + 2 + (sign ? 1 : 0));
    if (kind == '#') {
      skip_comment();
    } else {
      add(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin, source_.substr(tag, 2), line);
      lex_expression(kind == '{');
    }
  }

  /// The text between here and a tag, stripped as the tag's sign and lstrip_blocks ask.
  void add_data_before(size_t tag, char sign, bool is_block) {
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      text = strip(text, StripEnds::right);
    } else if (sign != '+' && is_block) {
      const size_t line_begin = text.rfind('\n') + 1;  // 0 when there is none
      const bool at_line_start = line_begin > 0 || at_ == 0 || source_[at_ - 1] == '\n';
      if (at_line_start && strip(text.substr(line_begin), StripEnds::left).empty())
        text = text.substr(0, line_begin);
    }
    if (!text.empty()) add(TokenKind::data, std::string(text));
    advance_to(tag);
  }

  /// {% word %} at `at`; the newline behind it is dropped where `trims`.
  std::optional<RawTag> raw_tag(size_t at, std::string_view word, bool trims) const {
    if (source_.compare(at, 2, "{%") != 0) return std::nullopt;
    at += 2;
    const char sign =
        at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at++] : '\0';
    at = skip_space(at);
    if (source_.compare(at, word.size(), word) != 0) return std::nullopt;
    at = skip_space(at + word.size());
    if (source_.compare(at, 3, "-%}") == 0) return RawTag{sign, skip_space(at + 3)};
    if (trims && source_.compare(at, 3, "+%}") == 0) return RawTag{sign, at + 3};
    if (source_.compare(at, 2, "%}") != 0) return std::nullopt;
    at += 2;
    return RawTag{sign, trims && at < source_.size() && source_[at] == '\n' ? at + 1 : at};
  }

  void lex_raw() {
    for (size_t at = source_.find("{%", at_); at != std::string::npos; at = source_.find("{%", at + 1)) {
      if (const auto end = raw_tag(at, "endraw", true)) {
        add_data_before(at, end->sign, true);
        advance_to(end->end);
        return;
      }
    }
    fail_at(line_, "Missing end of raw directive");
  }

  void skip_comment() {
    const size_t close = source_.find("#}", at_);
    if (close == std::string::npos) fail_at(line_, "Missing end of comment tag");
    advance_to(end_of_tag(close, close > at_ ? source_[close - 1] : '\0', true));
  }

  /// Where the text goes on behind a closing mark of two characters with this sign before it.
  size_t end_of_tag(size_t close, char sign, bool trims) const {
    const size_t end = close + 2;
    if (sign == '-') return skip_space(end);
    return trims && sign != '+' && end < source_.size() && source_[end] == '\n' ? end + 1 : end;
  }

  void lex_expression(bool variable) {
    std::string open;  // brackets that are not closed yet
    while (true) {
      advance_to(skip_space(at_));
      if (at_ >= source_.size()) return;  // the parser reports the missing end
      if (open.empty() && lex_end(variable)) return;
      if (!lex_number() && !lex_name() && !lex_string()) lex_operator(open);
    }
  }

  bool lex_end(bool variable) {
    const std::string_view rest = std::string_view(source_).substr(at_);
    const std::string_view mark = variable ? "}}" : "%}";
    const bool has_sign = rest.starts_with('-') || (!variable && rest.starts_with('+'));
    if (!rest.substr(has_sign ? 1 : 0).starts_with(mark)) return false;
    add(variable ? TokenKind::variable_end : TokenKind::block_end, std::string(mark));
    advance_to(end_of_tag(at_ + (has_sign ? 1 : 0), has_sign ? rest[0] : '\0', !variable));
    return true;
  }

  bool lex_number() {
    const bool after_point = at_ > 0 && source_[at_ - 1] == '.';
    const NumberLiteral number = read_number(std::string_view(source_).substr(at_), !after_point);
    if (number.bytes == 0) return false;
    if (!number.value) fail_at(line_, "an integer is too large");
    add(number.value->is_float() ? TokenKind::real : TokenKind::integer, source_.substr(at_, number.bytes));
    tokens_.back().number = *number.value;
    advance_to(at_ + number.bytes);
    return true;
  }

  bool lex_name() {
    size_t end = at_;
    while (end < source_.size()) {
      const Character c = character_at(source_, end);
      if (c.value != '_' && !is_alnum(c.value)) break;
      end += c.bytes;
    }
    if (end == at_) return false;
    add(TokenKind::name, source_.substr(at_, end - at_));
    advance_to(end);
    return true;
  }

  bool lex_string() {
    const char mark = source_[at_];
    if (mark != '\'' && mark != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != mark) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_at(line_, "a string that begins here does not end");
    const auto text = unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
    if (!text) fail_at(line_, "a string has an escape that can't be decoded");
    add(TokenKind::string, *text);
    advance_to(end + 1);
    return true;
  }

  void lex_operator(std::string& open) {
    constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                               "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                               ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const std::string_view rest = std::string_view(source_).substr(at_);
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](std::string_view spelling) { return rest.starts_with(spelling); });
    if (op == std::end(kOperators)) {
      fail_at(line_, "unexpected char " + in_quotes(rest.substr(0, character_at(rest, 0).bytes)));
    }
    balance(open, (*op)[0]);
    add(TokenKind::op, std::string(*op));
    advance_to(at_ + op->size());
  }

  void balance(std::string& open, char bracket) const {
    if (bracket == '(' || bracket == '[' || bracket == '{') {
      open += bracket == '(' ? ')' : bracket == '[' ? ']' : '}';
    } else if (bracket == ')' || bracket == ']' || bracket == '}') {
      const std::string found(1, bracket);
      if (open.empty()) fail_at(line_, "unexpected '" + found + "'");
      if (open.back() != bracket)
        fail_at(line_, "unexpected '" + found + "', expected '" + open.back() + "'");
      open.pop_back();
    }
  }

  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      const Character c = character_at(source_, at);
      if (!is_space(c.value)) break;
      at += c.bytes;
    }
    return at;
  }

  void advance_to(size_t at) {
    line_ +=
        int(std::count(source_.begin() + std::ptrdiff_t(at_), source_.begin() + std::ptrdiff_t(at), '\n'));
    at_ = at;
  }

  void add(TokenKind kind, std::string text, int line = 0) {
    tokens_.push_back({kind, std::move(text), line ? line : line_, {}});
  }

  const std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::describe() const {
  switch (kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::string:
      return "string";
    case TokenKind::integer:
      return "integer";
    case TokenKind::real:
      return "float";
    case TokenKind::end:
      return "end of template";
    default:
      return text;
  }
}

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

void fail_at(int line, const std::string& message) {
  fail("line {}: {}", line, message);
}

}  // namespace nibble::jinja
