#include "sampling/grammar/automaton.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace nibble {

namespace {

/// About thirty megabytes: beyond what people write, and not enough to hurt.
constexpr size_t kMostNodes = 300'000;

constexpr std::array<std::pair<char32_t, char>, 7> kEscapes = {
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};

}  // namespace

Automaton::Automaton() : states_(1) {}

Automaton::Node Automaton::add(State state) {
  if (states_.size() >= kMostNodes) {
    fail("the grammar needs more than {} states: make it smaller", kMostNodes);
  }
  states_.push_back(std::move(state));
  return Node(states_.size() - 1);
}

Automaton::Node Automaton::bytes(uint8_t low, uint8_t high, Node next) {
  return add({.edges = {{low, high, next}}});
}

Automaton::Node Automaton::literal(std::string_view text, Node next) {
  for (size_t i = text.size(); i-- > 0;) next = bytes(uint8_t(text[i]), uint8_t(text[i]), next);
  return next;
}

Automaton::Node Automaton::any_of(std::vector<Node> starts) {
  return starts.size() == 1 ? starts.front() : add({.free = std::move(starts)});
}

Automaton::Node Automaton::nothing() {
  return add({});
}

Automaton::Node Automaton::star(const Part& part, Node next) {
  const Node loop = add({});
  const Node start = part(loop);
  states_[loop].free = {start, next};
  return loop;
}

Automaton::Node Automaton::repeat(const Part& part, uint32_t least, uint32_t most, Node next) {
  if (most == 0) return next;
  if (least == 0 && most == kUnbounded) return star(part, next);
  if (least == 1 && most == 1) return part(next);
  if (least == 0 && most == 1) return optional(part, next);
  const Node body = part(kReturn);
  return add({.body = body, .least = least, .most = most, .next = next});
}

void Automaton::add_sequence(State& start, const ByteSequence& sequence, Node next) {
  for (size_t i = sequence.length - 1; i > 0; --i) next = bytes(sequence.low[i], sequence.high[i], next);
  start.edges.push_back({sequence.low[0], sequence.high[0], next});
}

Automaton::Node Automaton::character(const CodePointSet& set, Node next) {
  State start;
  for (const ByteSequence& sequence : utf8_sequences(set)) add_sequence(start, sequence, next);
  return add(std::move(start));
}

Automaton::Node Automaton::json_character(const CodePointSet& set, Node next) {
  State start;
  const CodePointSet escaped = {{0, 0x1f}, {'"', '"'}, {'\\', '\\'}};
  for (const ByteSequence& sequence : utf8_sequences(set.without(escaped))) {
    add_sequence(start, sequence, next);
  }
  State escape;
  for (const auto& [c, letter] : kEscapes) {
    if (set.contains(c)) escape.edges.push_back({uint8_t(letter), uint8_t(letter), next});
  }
  for (char32_t c = 0; c < 0x20; ++c) {
    const bool has_letter = std::ranges::any_of(kEscapes, [&](const auto& e) { return e.first == c; });
    if (has_letter || !set.contains(c)) continue;
    escape.edges.push_back({'u', 'u', literal(fmt::format("{:04x}", uint32_t(c)), next)});
  }
  if (!escape.edges.empty()) start.edges.push_back({'\\', '\\', add(std::move(escape))});
  return add(std::move(start));
}

Automaton::Rule Automaton::new_rule() {
  rules_.push_back(kNone);
  return Rule(rules_.size() - 1);
}

Automaton::Node Automaton::call(Rule rule, Node next) {
  return add({.rule = rule, .next = next});
}

/// Nodes from which the end of their rule can be reached.
std::vector<uint8_t> Automaton::productive() const {
  std::vector<uint8_t> known(states_.size());
  known[kReturn] = 1;
  const auto reaches = [&](const State& s) {
    if (s.rule != kNone) return rules_[s.rule] != kNone && known[rules_[s.rule]] && known[s.next];
    if (s.body != kNone) return known[s.next] && (s.least == 0 || known[s.body]);
    return std::ranges::any_of(s.edges, [&](const Edge& e) { return known[e.to]; }) ||
           std::ranges::any_of(s.free, [&](Node n) { return known[n]; });
  };
  // What a node leads to mostly stands before it, so few passes are needed.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 1; i < states_.size(); ++i) {
      if (known[i] || !reaches(states_[i])) continue;
      known[i] = 1;
      changed = true;
    }
  }
  return known;
}

void Automaton::finish(Rule root) {
  root_ = root;
  const std::vector<uint8_t> known = productive();
  if (rules_[root] == kNone || !known[rules_[root]]) fail("no text at all fulfils the grammar");
  for (State& s : states_) {
    std::erase_if(s.edges, [&](const Edge& e) { return !known[e.to]; });
    std::erase_if(s.free, [&](Node n) { return !known[n]; });
    if (s.body != kNone && !known[s.body]) s.most = 0;
  }
}

}  // namespace nibble
