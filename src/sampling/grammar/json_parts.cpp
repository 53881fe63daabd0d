#include "sampling/grammar/json_parts.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "sampling/grammar/json_numbers.h"
#include "sampling/grammar/regex.h"

namespace nibble {

namespace {

/// Indentation of a line at most: enough for depth, and the end of it for a model that writes nothing else.
constexpr int kMostSpaces = 40;

const CodePointSet& every_character() {
  static const CodePointSet set = CodePointSet().complement();
  return set;
}

std::u32string code_points(const std::string& text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(std::string_view(text).substr(at));
    out += c.value;
    at += size_t(c.length);
  }
  return out;
}

}  // namespace

JsonParts::JsonParts(Automaton& automaton) : a_(automaton) {
  Node spaces = Automaton::kReturn;
  for (int i = 0; i < kMostSpaces; ++i) spaces = a_.any_of({a_.bytes(' ', ' ', spaces), Automaton::kReturn});
  whitespace_ = define(
      a_.any_of({a_.bytes(' ', ' ', Automaton::kReturn), a_.bytes('\n', '\n', spaces), Automaton::kReturn}));
  any_string_ = define(string(0, Automaton::kUnbounded, Automaton::kReturn));
  any_number_ = define(Regex(number_regex({})).build(a_, &Automaton::character, Automaton::kReturn));
  any_value_ = a_.new_rule();
  const auto member = [&](Node after) { return other_key({}, any_value(after)); };
  const auto item = [&](Node after) { return any_value(after); };
  any_object_ = define(list('{', member, 0, Automaton::kUnbounded, '}', Automaton::kReturn));
  any_array_ = define(list('[', item, 0, Automaton::kUnbounded, ']', Automaton::kReturn));
  constexpr Node kEnd = Automaton::kReturn;
  a_.define(any_value_, a_.any_of({any_object(kEnd), any_array(kEnd), any_string(kEnd), any_number(kEnd),
                                   any_boolean(kEnd), null(kEnd)}));
}

Automaton::Rule JsonParts::define(Node start) {
  const Automaton::Rule rule = a_.new_rule();
  a_.define(rule, start);
  return rule;
}

/// As JSON allows them, but for escaped surrogates: a pair of them would have to be counted as one.
JsonParts::Node JsonParts::any_character(Node next) {
  static const CodePointSet plain = CodePointSet{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}}.complement();
  static const Regex escape(
      "\\\\(?:[\"\\\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))");
  return a_.any_of({a_.character(plain, next), escape.build(a_, &Automaton::character, next)});
}

JsonParts::Node JsonParts::string(uint32_t least, uint32_t most, Node next) {
  const auto part = [&](Node after) { return any_character(after); };
  return a_.literal("\"", a_.repeat(part, least, most, a_.literal("\"", next)));
}

JsonParts::Node JsonParts::colon(Node next) {
  return a_.literal(":", a_.any_of({a_.bytes(' ', ' ', next), next}));
}

JsonParts::Node JsonParts::key(const std::string& name, Node next) {
  return a_.literal(nlohmann::json(name).dump(), colon(next));
}

/// Characters that are none of the names (what is left of each behind those already read), and the quote.
JsonParts::Node JsonParts::characters_except(const std::vector<std::u32string>& names, Node rest, Node next) {
  std::map<char32_t, std::vector<std::u32string>> by_first;
  bool may_stop = true;
  for (const std::u32string& name : names) {
    if (name.empty()) {
      may_stop = false;
    } else {
      by_first[name.front()].push_back(name.substr(1));
    }
  }
  std::vector<Node> starts;
  if (may_stop) starts.push_back(a_.literal("\"", next));
  CodePointSet firsts;
  for (const auto& [first, rests] : by_first) {
    firsts.add(first, first);
    starts.push_back(a_.json_character({{first, first}}, characters_except(rests, rest, next)));
  }
  starts.push_back(a_.json_character(firsts.complement(), rest));
  return a_.any_of(std::move(starts));
}

JsonParts::Node JsonParts::other_key(const std::vector<std::string>& names, Node next) {
  if (names.empty()) return any_string(colon(next));
  const Node after = colon(next);
  // Each character in one way only, so that no name can be written with other escapes.
  const auto character = [&](Node n) { return a_.json_character(every_character(), n); };
  const Node rest = a_.star(character, a_.literal("\"", after));
  std::vector<std::u32string> spelled;
  for (const std::string& name : names) spelled.push_back(code_points(name));
  return a_.literal("\"", characters_except(spelled, rest, after));
}

JsonParts::Node JsonParts::list(char open, const Automaton::Part& part, uint32_t least, uint32_t most,
                                char close, Node next) {
  const Node end = whitespace(a_.literal(std::string_view(&close, 1), next));
  std::vector<Node> starts;
  if (least == 0) starts.push_back(end);
  if (most > 0) {
    const auto further = [&](Node after) { return comma(part(after)); };
    const uint32_t rest = most == Automaton::kUnbounded ? most : most - 1;
    starts.push_back(whitespace(part(a_.repeat(further, least > 0 ? least - 1 : 0, rest, end))));
  }
  if (starts.empty()) starts.push_back(a_.nothing());
  return a_.literal(std::string_view(&open, 1), a_.any_of(std::move(starts)));
}

}  // namespace nibble
