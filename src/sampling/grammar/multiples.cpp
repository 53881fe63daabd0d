#include "sampling/grammar/multiples.h"

#include <map>
#include <string_view>
#include <utility>

namespace nibble {

namespace {

using Node = Automaton::Node;

class LongDivision {
 public:
  LongDivision(Automaton& automaton, uint32_t divisor, Node next)
      : a_(automaton), divisor_(divisor), next_(next), nothing_(automaton.nothing()) {}

  /// From low to high, which have as many digits, behind what left the remainder.
  Node between(std::string_view low, std::string_view high, uint32_t remainder) {
    return digit(low, high, true, true, remainder);
  }

 private:
  /// `at_low`: the digits before are those of the lower bound, so that it still binds; `at_high` likewise.
  Node digit(std::string_view low, std::string_view high, bool at_low, bool at_high, uint32_t remainder) {
    if (low.empty()) return remainder == 0 ? next_ : nothing_;
    const bool free = !at_low && !at_high;
    if (free) {
      const auto known = free_.find({low.size(), remainder});
      if (known != free_.end()) return known->second;
    }
    const char first = at_low ? low[0] : '0', last = at_high ? high[0] : '9';
    std::vector<Automaton::Edge> edges;
    for (char d = first; d <= last; ++d) {
      const Node to = digit(low.substr(1), high.substr(1), at_low && d == first, at_high && d == last,
                            (remainder * 10 + uint32_t(d - '0')) % divisor_);
      edges.push_back({uint8_t(d), uint8_t(d), to});
    }
    const Node node = a_.branch(std::move(edges));
    if (free) free_[{low.size(), remainder}] = node;
    return node;
  }

  Automaton& a_;
  const uint32_t divisor_;
  const Node next_, nothing_;
  std::map<std::pair<size_t, uint32_t>, Node> free_;  ///< by digits to come, which may be any, and remainder
};

}  // namespace

Automaton::Node multiples(Automaton& automaton, const std::vector<IntegerRange>& ranges, uint32_t divisor,
                          Automaton::Node next) {
  LongDivision division(automaton, divisor, next);
  std::vector<Node> starts;
  for (const IntegerRange& range : ranges) {
    for (const auto& [low, high] : range.by_length()) {
      const Node digits = division.between(low, high, 0);
      starts.push_back(range.negative ? automaton.literal("-", digits) : digits);
    }
  }
  return automaton.any_of(std::move(starts));
}

}  // namespace nibble
