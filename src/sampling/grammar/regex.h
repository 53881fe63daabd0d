#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sampling/grammar/automaton.h"

namespace nibble {

/// A regular expression in the syntax that ECMAScript and Python share, without what no automaton can follow:
/// back-references, look-around and word boundaries. \d, \w and \s and their opposites mean what they
/// mean in ECMAScript.
class Regex {
 public:
  /// How one character of a set is written: Automaton::character or json_character.
  using Character = Automaton::Node (Automaton::*)(const CodePointSet& set, Automaton::Node next);
  static constexpr uint64_t kNoLimit = UINT64_MAX;

  /// Throws Error with the offset of what is wrong or not supported.
  explicit Regex(std::string_view pattern);

  /// The whole text matches.
  Automaton::Node build(Automaton& automaton, Character character, Automaton::Node next) const;
  /// A part of the text matches, but for where ^ and $ hold its ends.
  Automaton::Node build_search(Automaton& automaton, Character character, Automaton::Node next) const;
  /// The fewest and the most characters of a text that matches: as a whole, or in a part.
  std::pair<uint64_t, uint64_t> lengths(bool search) const;

  struct Expression {
    enum class Kind { set, sequence, alternatives, repeat, begin, end };
    Kind kind = Kind::sequence;
    CodePointSet set;
    std::vector<Expression> children;
    uint32_t least = 1, most = 1;
  };

 private:
  /// One of the alternatives at the top.
  struct Branch {
    Expression expression;
    bool from_begin = false, to_end = false;
  };
  std::vector<Branch> branches_;
};

std::shared_ptr<const Automaton> regex_automaton(std::string_view pattern);

}  // namespace nibble
