#include "sampling/grammar/regex.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "sampling/grammar/regex_parser.h"

namespace nibble {

namespace {

using Expression = Regex::Expression;
using Kind = Expression::Kind;
using Node = Automaton::Node;

/// What may be empty is not counted but written out, so many times at most.
constexpr uint32_t kMostWrittenOut = 64;

bool has_anchor(const Expression& e) {
  return e.kind == Kind::begin || e.kind == Kind::end || std::ranges::any_of(e.children, has_anchor);
}

bool may_be_empty(const Expression& e) {
  switch (e.kind) {
    case Kind::set:
      return false;
    case Kind::alternatives:
      return std::ranges::any_of(e.children, may_be_empty);
    case Kind::repeat:
      return e.least == 0 || may_be_empty(e.children.front());
    default:
      return std::ranges::all_of(e.children, may_be_empty);
  }
}

Node build(const Expression& e, Automaton& a, Regex::Character character, Node next);

Node build_repeat(const Expression& e, Automaton& a, Regex::Character character, Node next) {
  const Expression& inner = e.children.front();
  const auto part = [&](Node after) { return build(inner, a, character, after); };
  if (!may_be_empty(inner)) return a.repeat(part, e.least, e.most, next);
  if (e.most == Automaton::kUnbounded) return a.star(part, next);
  if (e.most > kMostWrittenOut) {
    fail("a regular expression repeats up to {} times what may be empty: at most {} are supported", e.most,
         kMostWrittenOut);
  }
  for (uint32_t i = 0; i < e.most; ++i) next = a.optional(part, next);
  return next;
}

Node build(const Expression& e, Automaton& a, Regex::Character character, Node next) {
  switch (e.kind) {
    case Kind::set:
      return (a.*character)(e.set, next);
    case Kind::sequence:
      for (size_t i = e.children.size(); i-- > 0;) next = build(e.children[i], a, character, next);
      return next;
    case Kind::alternatives: {
      std::vector<Node> starts;
      for (const Expression& child : e.children) starts.push_back(build(child, a, character, next));
      return a.any_of(std::move(starts));
    }
    case Kind::repeat:
      return build_repeat(e, a, character, next);
    default:
      return next;
  }
}

uint64_t saturating_add(uint64_t a, uint64_t b) {
  return a > Regex::kNoLimit - b ? Regex::kNoLimit : a + b;
}

std::pair<uint64_t, uint64_t> lengths_of(const Expression& e) {
  if (e.kind == Kind::set) return {1, 1};
  std::pair<uint64_t, uint64_t> result{0, 0};
  if (e.kind == Kind::alternatives) result.first = Regex::kNoLimit;
  for (const Expression& child : e.children) {
    const auto [least, most] = lengths_of(child);
    if (e.kind == Kind::alternatives) {
      result = {std::min(result.first, least), std::max(result.second, most)};
    } else {
      result = {saturating_add(result.first, least), saturating_add(result.second, most)};
    }
  }
  if (e.kind == Kind::repeat) {
    result.first = checked_mul(result.first, e.least).value_or(Regex::kNoLimit);
    const bool endless = e.most == Automaton::kUnbounded && result.second > 0;
    result.second = endless ? Regex::kNoLimit : checked_mul(result.second, e.most).value_or(Regex::kNoLimit);
  }
  return result;
}

}  // namespace

Regex::Regex(std::string_view pattern) {
  Expression whole = parse_regex(pattern);
  std::vector<Expression> tops;
  if (whole.kind == Kind::alternatives) {
    tops = std::move(whole.children);
  } else {
    tops.push_back(std::move(whole));
  }
  for (Expression& top : tops) {
    Branch branch;
    auto& parts = top.children;
    while (!parts.empty() && parts.front().kind == Kind::begin) {
      branch.from_begin = true;
      parts.erase(parts.begin());
    }
    while (!parts.empty() && parts.back().kind == Kind::end) {
      branch.to_end = true;
      parts.pop_back();
    }
    if (has_anchor(top)) {
      fail(
          "the regular expression '{}' has ^ or $ inside, which is not supported: put them at its ends, or "
          "at "
          "those of its alternatives",
          pattern.substr(0, 200));
    }
    branch.expression = std::move(top);
    branches_.push_back(std::move(branch));
  }
}

Node Regex::build(Automaton& automaton, Character character, Node next) const {
  std::vector<Node> starts;
  for (const Branch& branch : branches_) {
    starts.push_back(nibble::build(branch.expression, automaton, character, next));
  }
  return automaton.any_of(std::move(starts));
}

Node Regex::build_search(Automaton& automaton, Character character, Node next) const {
  const CodePointSet everything = CodePointSet().complement();
  const auto anything = [&](Node after) {
    return automaton.star([&](Node n) { return (automaton.*character)(everything, n); }, after);
  };
  std::vector<Node> starts;
  for (const Branch& branch : branches_) {
    const Node after = branch.to_end ? next : anything(next);
    const Node start = nibble::build(branch.expression, automaton, character, after);
    starts.push_back(branch.from_begin ? start : anything(start));
  }
  return automaton.any_of(std::move(starts));
}

std::pair<uint64_t, uint64_t> Regex::lengths(bool search) const {
  std::pair<uint64_t, uint64_t> result{kNoLimit, 0};
  for (const Branch& branch : branches_) {
    auto [least, most] = lengths_of(branch.expression);
    if (search && !(branch.from_begin && branch.to_end)) most = kNoLimit;
    result = {std::min(result.first, least), std::max(result.second, most)};
  }
  return result;
}

std::shared_ptr<const Automaton> regex_automaton(std::string_view pattern) {
  auto automaton = std::make_shared<Automaton>();
  const Automaton::Rule root = automaton->new_rule();
  automaton->define(root, Regex(pattern).build(*automaton, &Automaton::character, Automaton::kReturn));
  automaton->finish(root);
  return automaton;
}

}  // namespace nibble
