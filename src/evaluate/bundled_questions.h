#pragma once

#include <string_view>

namespace nibble {

/// The content of data/questions/science.jsonl, which the build puts into the program: grade-school
/// science questions in ARC's format, for where ARC itself is not at hand.
std::string_view bundled_questions();

}  // namespace nibble
