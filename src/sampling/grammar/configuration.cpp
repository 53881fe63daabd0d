#include "sampling/grammar/configuration.h"

#include <algorithm>

namespace nibble {

namespace {

/// A text can be ambiguous in so many ways at once; beyond that each byte would take too long.
constexpr size_t kMostPositions = 20'000;

size_t mix(size_t hash, size_t value) {
  return (hash ^ value) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

}  // namespace

size_t ConfigurationPool::Hash::operator()(const Position& p) const {
  return mix(mix(mix(0, p.node), p.count), p.parent);
}

size_t ConfigurationPool::Hash::operator()(const std::vector<uint32_t>& positions) const {
  size_t hash = positions.size();
  for (const uint32_t p : positions) hash = mix(hash, p);
  return hash;
}

ConfigurationPool::ConfigurationPool(std::shared_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)) {
  dead_ = intern({}, false);
  start_ = close({intern({automaton_->root(), 0, Automaton::kNone})});
}

uint32_t ConfigurationPool::intern(const Position& position) {
  const auto [it, added] = position_ids_.try_emplace(position, uint32_t(positions_.size()));
  if (added) {
    positions_.push_back(position);
    const bool below = position.parent != Automaton::kNone && counted_[position.parent];
    counted_.push_back(position.count > 0 || below);
    seen_.push_back(0);
  }
  return it->second;
}

const Configuration* ConfigurationPool::intern(std::vector<uint32_t> positions, bool may_end) {
  std::ranges::sort(positions);
  positions.push_back(may_end);  // part of the key
  const auto [it, added] = configuration_ids_.try_emplace(positions, nullptr);
  if (added) {
    positions.pop_back();
    configurations_.push_back(std::make_unique<Configuration>());
    configurations_.back()->positions = std::move(positions);
    configurations_.back()->may_end = may_end;
    it->second = configurations_.back().get();
  }
  return it->second;
}

void ConfigurationPool::expand(const Position& p, std::vector<uint32_t>& todo) {
  using A = Automaton;
  const A::State& s = automaton_->state(p.node);
  for (const A::Node node : s.free) todo.push_back(intern({node, 0, p.parent}));
  if (s.rule != A::kNone) {
    // A call at a rule's end leaves nothing to return to, so that lists do not grow the stack.
    const uint32_t parent = s.next == A::kReturn ? p.parent : intern({s.next, 0, p.parent});
    todo.push_back(intern({automaton_->start(s.rule), 0, parent}));
  }
  if (s.body == A::kNone) return;
  const bool fixed = p.count == Position::kEnough || p.count == Position::kTooFew;
  if (p.count != Position::kTooFew && p.count >= s.least) todo.push_back(intern({s.next, 0, p.parent}));
  if (!fixed && p.count >= s.most) return;
  uint32_t count = fixed ? p.count : p.count + 1;
  if (!fixed && s.most == A::kUnbounded) count = std::min(count, s.least);
  todo.push_back(intern({s.body, 0, intern({p.node, count, p.parent})}));
}

const Configuration* ConfigurationPool::close(std::vector<uint32_t> todo) {
  ++closure_;
  std::vector<uint32_t> reading;
  bool may_end = false;
  for (size_t met = 0; !todo.empty();) {
    const uint32_t id = todo.back();
    todo.pop_back();
    if (seen_[id] == closure_) continue;
    seen_[id] = closure_;
    if (++met > kMostPositions) {
      throw AmbiguousGrammar(fmt::format(
          "the grammar is too ambiguous: more than {} ways to read one text at once", kMostPositions));
    }
    const Position p = positions_[id];
    if (p.node == Automaton::kReturn) {
      if (p.parent == Automaton::kNone) {
        may_end = true;
      } else {
        todo.push_back(p.parent);
      }
      continue;
    }
    if (!automaton_->state(p.node).edges.empty()) reading.push_back(id);
    expand(p, todo);
  }
  return intern(std::move(reading), may_end);
}

const Configuration* ConfigurationPool::step(const Configuration* from, uint8_t byte) {
  if (!from->next) {
    from->next = std::make_unique<std::array<const Configuration*, 256>>();
    from->next->fill(nullptr);
  }
  if (const Configuration* known = (*from->next)[byte]) return known;
  std::vector<uint32_t> reached;
  size_t first = 0, last = 255;  // of the bytes around this one that the same edges read
  for (const uint32_t id : from->positions) {
    const Position p = positions_[id];
    for (const Automaton::Edge& edge : automaton_->state(p.node).edges) {
      if (byte < edge.low) {
        last = std::min<size_t>(last, edge.low - 1);
      } else if (byte > edge.high) {
        first = std::max<size_t>(first, edge.high + 1);
      } else {
        first = std::max<size_t>(first, edge.low);
        last = std::min<size_t>(last, edge.high);
        reached.push_back(intern({edge.to, 0, p.parent}));
      }
    }
  }
  const Configuration* next = reached.empty() ? dead_ : close(std::move(reached));
  std::fill(from->next->begin() + ptrdiff_t(first), from->next->begin() + ptrdiff_t(last) + 1, next);
  return next;
}

uint32_t ConfigurationPool::import(uint32_t position, const ConfigurationPool& from) {
  // From the bottom of the stack to its top.
  std::vector<uint32_t> chain;
  for (uint32_t id = position; id != Automaton::kNone; id = from.positions_[id].parent) chain.push_back(id);
  uint32_t parent = Automaton::kNone;
  for (size_t i = chain.size(); i-- > 0;) {
    const Position& p = from.positions_[chain[i]];
    parent = intern({p.node, p.count, parent});
  }
  return parent;
}

const Configuration* ConfigurationPool::import(const Configuration* other, const ConfigurationPool& from) {
  std::vector<uint32_t> positions;
  for (const uint32_t id : other->positions) positions.push_back(import(id, from));
  return intern(std::move(positions), other->may_end);
}

uint32_t ConfigurationPool::without_far_counts(uint32_t position, uint32_t bytes) {
  if (position == Automaton::kNone || !counted_[position]) return position;
  Position p = positions_[position];
  p.parent = without_far_counts(p.parent, bytes);
  const Automaton::State& s = automaton_->state(p.node);
  const bool fixed = p.count == 0 || p.count == Position::kEnough || p.count == Position::kTooFew;
  // The part reads at least a byte, so it is done at most so often.
  if (!fixed && (s.most == Automaton::kUnbounded || s.most - p.count > bytes)) {
    if (p.count >= s.least) {
      p.count = Position::kEnough;
    } else if (s.least - p.count > bytes) {
      p.count = Position::kTooFew;
    }
  }
  return intern(p);
}

const Configuration* ConfigurationPool::without_far_counts(const Configuration* configuration,
                                                           uint32_t bytes) {
  std::vector<uint32_t> positions;
  for (const uint32_t id : configuration->positions) positions.push_back(without_far_counts(id, bytes));
  if (positions == configuration->positions) return configuration;
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return intern(std::move(positions), configuration->may_end);
}

}  // namespace nibble
