#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "quantize/test_rows.h"

/// What the scripts in tests/reference/ record, and the values that they record it of.
namespace nibble {

/// The arrays of a file in tests/golden/ by name: a line of comment, then lines of a name and bytes in
/// hexadecimal.
inline std::map<std::string, std::vector<std::byte>> read_golden(const std::string& file) {
  std::ifstream in(std::string(NIBBLE_SOURCE_DIR "/tests/golden/") + file);
  std::map<std::string, std::vector<std::byte>> golden;
  std::string name, hex;
  std::getline(in, name);
  while (in >> name >> hex) {
    std::vector<std::byte>& bytes = golden[name];
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
      bytes.push_back(std::byte(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return golden;
}

/// Bytes as float32.
inline std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// `count` about normal values in (-1, 1), multiples of 2^-13: centred_sum of tests/reference/splitmix64.py
/// over its generator from `state`.
inline std::vector<float> golden_values(uint64_t state, size_t count) {
  SplitMix64 random(state);
  std::vector<float> values(count);
  for (float& value : values) {
    const uint64_t bits = random.next();
    int total = -8190;
    for (const int shift : {0, 12, 24, 36}) total += int(bits >> shift & 0xfff);
    value = float(total) * 0x1p-13f;
  }
  return values;
}

}  // namespace nibble
