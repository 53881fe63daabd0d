#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sampling/grammar/automaton.h"

namespace nibble {

/// The parts of JSON texts that need no schema, each a rule of the automaton made once.
class JsonParts {
 public:
  using Node = Automaton::Node;
  explicit JsonParts(Automaton& automaton);

  Node whitespace(Node next) { return a_.call(whitespace_, next); }  ///< optional
  Node any_value(Node next) { return a_.call(any_value_, next); }
  Node any_object(Node next) { return a_.call(any_object_, next); }
  Node any_array(Node next) { return a_.call(any_array_, next); }
  Node any_string(Node next) { return a_.call(any_string_, next); }
  Node any_number(Node next) { return a_.call(any_number_, next); }
  Node any_boolean(Node next) { return a_.any_of({a_.literal("true", next), a_.literal("false", next)}); }
  Node null(Node next) { return a_.literal("null", next); }
  /// A string of so many characters.
  Node string(uint32_t least, uint32_t most, Node next);
  /// A key other than these names, and the colon behind it.
  Node other_key(const std::vector<std::string>& names, Node next);
  /// "name": with the optional space behind it.
  Node key(const std::string& name, Node next);
  /// What stands between the values of a list.
  Node comma(Node next) { return a_.literal(",", whitespace(next)); }
  /// open, from `least` to `most` parts with commas between them, close.
  Node list(char open, const Automaton::Part& part, uint32_t least, uint32_t most, char close, Node next);

 private:
  Node any_character(Node next);
  Node colon(Node next);
  Node characters_except(const std::vector<std::u32string>& names, Node rest, Node next);
  Automaton::Rule define(Node start);

  Automaton& a_;
  Automaton::Rule whitespace_, any_value_, any_object_, any_array_, any_string_, any_number_;
};

}  // namespace nibble
