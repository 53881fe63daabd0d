#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "sampling/grammar/code_points.h"

namespace nibble {

/// A pushdown automaton over bytes: rules that may call each other, each a graph of nodes with edges that
/// read bytes. Built from the end to the beginning: every function takes the node where its text is
/// followed, and returns the one where it starts.
class Automaton {
 public:
  using Node = uint32_t;
  using Rule = uint32_t;
  /// Builds something in front of a node.
  using Part = std::function<Node(Node next)>;
  static constexpr Node kReturn = 0;  ///< the end of every rule
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  static constexpr uint32_t kUnbounded = kNone;

  struct Edge {
    uint8_t low, high;
    Node to;
  };
  /// Its edges read a byte; `free` reads nothing. With a rule it calls that and goes on at `next`. With a
  /// body it repeats that from `least` to `most` times, then goes on at `next`.
  struct State {
    std::vector<Edge> edges;
    std::vector<Node> free;
    Rule rule = kNone;
    Node body = kNone;
    uint32_t least = 0, most = 0;
    Node next = kReturn;
  };

  Automaton();

  Node bytes(uint8_t low, uint8_t high, Node next);
  /// One byte, which says where it goes on.
  Node branch(std::vector<Edge> edges) { return add({.edges = std::move(edges)}); }
  Node literal(std::string_view text, Node next);
  Node any_of(std::vector<Node> starts);
  Node nothing();  ///< matches no text at all
  Node optional(const Part& part, Node next) { return any_of({part(next), next}); }
  Node star(const Part& part, Node next);
  /// From `least` to `most` times, or without an upper bound. Counted at run time, so that large numbers cost
  /// nothing; the part must not match the empty text.
  Node repeat(const Part& part, uint32_t least, uint32_t most, Node next);
  /// One character of the set in UTF-8.
  Node character(const CodePointSet& set, Node next);
  /// One character of the set as it stands in a JSON string: escaped where it must be.
  Node json_character(const CodePointSet& set, Node next);

  Rule new_rule();
  void define(Rule rule, Node start) { rules_[rule] = start; }
  Node call(Rule rule, Node next);

  /// Closes the automaton: takes out whatever cannot lead to the end of a text. Throws Error when no text at
  /// all fulfils it.
  void finish(Rule root);
  Node root() const { return rules_[root_]; }

  const State& state(Node node) const { return states_[node]; }
  Node start(Rule rule) const { return rules_[rule]; }
  size_t size() const { return states_.size(); }

 private:
  Node add(State state);
  void add_sequence(State& start, const ByteSequence& sequence, Node next);
  std::vector<uint8_t> productive() const;

  std::vector<State> states_;
  std::vector<Node> rules_;
  Rule root_ = kNone;
};

}  // namespace nibble
