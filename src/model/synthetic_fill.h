#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/half.h"
#include "tensor/dtype.h"

namespace nibble {

/// SplitMix64 (Steele et al. 2014): as fast as memory, and any number may be its seed.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t operator()() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

/// Makes random bytes that are valid blocks of a type, whose values have a standard deviation near sigma.
class SyntheticFill {
 public:
  /// Not for norms: they are no random values.
  SyntheticFill(DType dtype, double sigma, uint64_t elements, uint64_t cols);

  /// Pieces that a tensor is cut into; each begins at a whole block or row.
  uint64_t pieces() const { return pieces_; }
  /// The bytes of one piece, which depend on nothing but the seed and the piece.
  std::vector<std::byte> piece(uint64_t index, uint64_t seed) const;

 private:
  void fill_units(std::span<std::byte> bytes, SplitMix64& random) const;
  void fill_floats(std::span<std::byte> bytes, SplitMix64& random) const;
  void fill_planes(std::span<std::byte> bytes, uint64_t begin, SplitMix64& random) const;
  void make_scales(double unit);
  void make_normals(double sigma);
  double measure_unit() const;

  DType dtype_;
  Layout layout_;
  uint64_t elements_, cols_, bytes_;
  uint64_t unit_bytes_ = 0;   ///< of a block, or of a row with its header
  uint64_t piece_bytes_ = 0;  ///< of all pieces but the last
  uint64_t pieces_ = 0;
  /// Scales around one middle, to be drawn by a byte: as halves with the fitting minima, and as floats.
  std::vector<half> scales_, minima_;
  std::vector<float> float_scales_;
  std::vector<std::byte> normals_;  ///< 65536 values, of the float types
};

}  // namespace nibble
