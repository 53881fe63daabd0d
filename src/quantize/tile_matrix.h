#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"

namespace nibble {

/// The upper triangle of a square matrix in tiles of kTile x kTile, each contiguous: a symmetric matrix, or a
/// triangular one. Products of tiles go through the kernels' vector operations, and every tile is computed by
/// one thread in a fixed order, so that results do not depend on the number of threads.
class TileMatrix {
 public:
  static constexpr size_t kTile = 128;

  TileMatrix() = default;
  /// n x n zeros; rows and columns up to a multiple of kTile are there too.
  explicit TileMatrix(size_t n);

  size_t size() const { return n_; }
  size_t tiles() const { return tiles_; }
  size_t padded() const { return tiles_ * kTile; }
  /// Tile (row, col), row <= col: [kTile, kTile].
  float* tile(size_t row, size_t col) { return data() + index(row, col); }
  const float* tile(size_t row, size_t col) const { return data() + index(row, col); }
  /// Element (row, col) with row <= col; of the lower triangle when the matrix is symmetric.
  float at(size_t row, size_t col) const { return *element(std::min(row, col), std::max(row, col)); }
  void set(size_t row, size_t col, float value) {
    *const_cast<float*>(element(std::min(row, col), std::max(row, col))) = value;
  }

 private:
  float* data() { return reinterpret_cast<float*>(memory_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(memory_.data()); }
  size_t index(size_t row, size_t col) const {
    return (row * tiles_ - row * (row + 1) / 2 + col) * kTile * kTile;
  }
  const float* element(size_t row, size_t col) const {
    return tile(row / kTile, col / kTile) + row % kTile * kTile + col % kTile;
  }

  size_t n_ = 0, tiles_ = 0;
  AlignedBuffer memory_;
};

/// out [rows, kTile] = a [rows, kTile] (rows `a_stride` apart) times b [inner, kTile]; inner is
/// the length of a's rows. With `add` the product is added to out.
void multiply_tile(const float* a, size_t a_stride, size_t rows, const float* b, size_t inner, bool add,
                   float* out);

/// m += x^T x for x [tokens, m.size()].
void add_gram(TileMatrix& m, const float* x, size_t tokens, ThreadPool& pool);

/// The upper triangular R with m = R^T R (Cholesky, right-looking by tiles), in place. False when m is not
/// positive definite in single precision: m is spoilt then.
bool factorize(TileMatrix& m, ThreadPool& pool);

/// The inverse of an upper triangular matrix.
TileMatrix invert_upper(const TileMatrix& r, ThreadPool& pool);

}  // namespace nibble
