#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// The ids of --tokens 1,2,3. Throws UsageError that quotes the list.
std::vector<int32_t> parse_token_list(const std::string& list);

}  // namespace nibble
