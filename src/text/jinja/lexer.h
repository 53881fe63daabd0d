#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace nibble::jinja {

enum class TokenKind {
  data,            ///< text outside tags
  variable_begin,  ///< {{
  variable_end,
  block_begin,  ///< {%
  block_end,
  name,
  string,
  integer,
  real,
  op,  ///< an operator or bracket; `text` spells it
  end,
};

struct Token {
  TokenKind kind;
  std::string text;  ///< the name, the operator, the data or the string's value
  int line;
  Value number;  ///< of integer and real

  bool is(TokenKind other, std::string_view spelling) const { return kind == other && text == spelling; }
  bool is_name(std::string_view name) const { return is(TokenKind::name, name); }
  bool is_op(std::string_view spelling) const { return is(TokenKind::op, spelling); }
  /// For messages: "end of template", "'%}'", the name.
  std::string describe() const;
};

/// Splits a template into tokens, with jinja2's trim_blocks and lstrip_blocks on; comments and raw
/// blocks are resolved, and the last token is `end`. Throws Error "line N: ...".
std::vector<Token> tokenize(std::string_view source);

/// Fails with "line N: message".
[[noreturn]] void fail_at(int line, const std::string& message);

}  // namespace nibble::jinja
