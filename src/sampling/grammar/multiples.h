#pragma once

#include <cstdint>
#include <vector>

#include "sampling/grammar/automaton.h"
#include "sampling/grammar/json_numbers.h"

namespace nibble {

/// The integers of the ranges that `divisor` (>= 1) divides. The automaton of long division: digits multiply
/// the remainder by ten and add themselves, so that it has a node for each remainder and number of digits to
/// come.
Automaton::Node multiples(Automaton& automaton, const std::vector<IntegerRange>& ranges, uint32_t divisor,
                          Automaton::Node next);

}  // namespace nibble
