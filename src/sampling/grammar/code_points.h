#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace nibble {

/// A set of Unicode code points, never surrogates: ranges in order that do not touch.
class CodePointSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  ///< both included

  CodePointSet() = default;
  CodePointSet(std::initializer_list<Range> ranges);

  void add(char32_t first, char32_t last);
  void add(const CodePointSet& other);
  CodePointSet complement() const;
  CodePointSet without(const CodePointSet& other) const;
  bool contains(char32_t c) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

/// Sequences of byte ranges: of `length` bytes, each from low to high.
struct ByteSequence {
  size_t length;
  std::array<uint8_t, 4> low, high;
};

/// The UTF-8 of a set: the sequences that together spell exactly its members.
std::vector<ByteSequence> utf8_sequences(const CodePointSet& set);

}  // namespace nibble
