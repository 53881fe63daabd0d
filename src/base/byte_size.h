#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace nibble {

/// Bytes of "4GB", "3.5GiB", "500 MB" or "1048576": kB, MB, GB and TB are powers of 1,000, KiB to TiB of
/// 1,024. Nothing for any other text, and for less than a byte.
std::optional<uint64_t> parse_byte_size(const std::string& text);

}  // namespace nibble
