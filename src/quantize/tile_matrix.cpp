#include "quantize/tile_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/vector_ops.h"

namespace nibble {

namespace {

constexpr size_t T = TileMatrix::kTile;  // edge of a tile
/// Rows of b that are multiplied at a time: they stay in the first-level cache.
constexpr size_t kInner = 32;

/// Two indices row <= col of each tile of the upper triangle from `first` on.
std::vector<std::pair<size_t, size_t>> tile_places(size_t first, size_t tiles) {
  std::vector<std::pair<size_t, size_t>> places;
  for (size_t i = first; i < tiles; ++i) {
    for (size_t j = i; j < tiles; ++j) places.emplace_back(i, j);
  }
  return places;
}

/// R with m = R^T R of one tile, in place, and zeros below the diagonal.
bool factorize_tile(float* m) {
  for (size_t k = 0; k < T; ++k) {
    const float pivot = m[k * T + k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const float inverse = 1.0f / std::sqrt(pivot);
    vector_ops().scale(m + k * T + k, inverse, m + k * T + k, T - k);
    for (size_t i = k + 1; i < T; ++i) {
      vector_ops().add_scaled(m + i * T + i, m + k * T + i, -m[k * T + i], T - i);
    }
    std::fill(m + k * T, m + k * T + k, 0.0f);
  }
  return true;
}

/// The inverse of an upper triangular tile.
void invert_tile(const float* r, float* out) {
  std::fill(out, out + T * T, 0.0f);
  for (size_t i = T; i-- > 0;) {
    // Row i of the inverse: (e_i - sum over k > i of r[i, k] out[k]) / r[i, i].
    out[i * T + i] = 1.0f;
    for (size_t k = i + 1; k < T; ++k) {
      vector_ops().add_scaled(out + i * T + k, out + k * T + k, -r[i * T + k], T - k);
    }
    vector_ops().scale(out + i * T + i, 1.0f / r[i * T + i], out + i * T + i, T - i);
  }
}

void transpose(const float* from, float factor, float* to) {
  for (size_t i = 0; i < T; ++i) {
    for (size_t j = 0; j < T; ++j) to[j * T + i] = factor * from[i * T + j];
  }
}

using Tile = std::array<float, T * T>;

}  // namespace

TileMatrix::TileMatrix(size_t n)
    : n_(n),
      tiles_((n + kTile - 1) / kTile),
      memory_(tiles_ * (tiles_ + 1) / 2 * kTile * kTile * sizeof(float)) {
  std::memset(memory_.data(), 0, memory_.size());
}

void multiply_tile(const float* a, size_t a_stride, size_t rows, const float* b, size_t inner, bool add,
                   float* out) {
  constexpr size_t kRows = 64;
  static constexpr auto kOnes = [] {
    std::array<float, kRows> ones;
    ones.fill(1.0f);
    return ones;
  }();
  if (!add) std::fill_n(out, rows * T, 0.0f);
  for (size_t r = 0; r < rows; r += kRows) {
    for (size_t i = 0; i < inner; i += kInner) {
      vector_ops().attention_values(a + r * a_stride + i, a_stride, std::min(kRows, rows - r), b + i * T,
                                    std::min(kInner, inner - i), T, kOnes.data(), out + r * T);
    }
  }
}

void add_gram(TileMatrix& m, const float* x, size_t tokens, ThreadPool& pool) {
  // x by panels of T columns: as rows of tokens, and turned round.
  const size_t n = m.size(), tiles = m.tiles();
  std::vector<float> panels(tiles * tokens * T), turned(panels.size());
  pool.parallel_for(tiles, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t first = i * T, width = std::min(T, n - first);
      for (size_t t = 0; t < tokens; ++t) {
        std::copy_n(x + t * n + first, width, &panels[(i * tokens + t) * T]);
      }
      // Some tokens at a time, so that a cache line is read for all its channels while it is there.
      constexpr size_t kTokens = 16;
      for (size_t t = 0; t < tokens; t += kTokens) {
        const size_t end_token = std::min(tokens, t + kTokens);
        for (size_t j = 0; j < width; ++j) {
          for (size_t u = t; u < end_token; ++u) turned[(first + j) * tokens + u] = x[u * n + first + j];
        }
      }
    }
  });
  const auto places = tile_places(0, tiles);
  pool.parallel_for(places.size(), 1, [&](size_t begin, size_t end) {
    for (size_t p = begin; p < end; ++p) {
      const auto [i, j] = places[p];
      multiply_tile(&turned[i * T * tokens], tokens, T, &panels[j * tokens * T], tokens, true, m.tile(i, j));
    }
  });
}

bool factorize(TileMatrix& m, ThreadPool& pool) {
  const size_t tiles = m.tiles();
  std::vector<Tile> row(tiles);  // tiles of row k, turned round and negated
  Tile inverse, turned;
  for (size_t k = 0; k < tiles; ++k) {
    if (!factorize_tile(m.tile(k, k))) return false;
    invert_tile(m.tile(k, k), inverse.data());
    transpose(inverse.data(), 1.0f, turned.data());
    pool.parallel_for(tiles - k - 1, 1, [&](size_t begin, size_t end) {
      for (size_t j = k + 1 + begin; j < k + 1 + end; ++j) {
        Tile solved;
        multiply_tile(turned.data(), T, T, m.tile(k, j), T, false, solved.data());
        std::copy(solved.begin(), solved.end(), m.tile(k, j));
        transpose(solved.data(), -1.0f, row[j].data());
      }
    });
    const auto places = tile_places(k + 1, tiles);
    pool.parallel_for(places.size(), 1, [&](size_t begin, size_t end) {
      for (size_t p = begin; p < end; ++p) {
        const auto [i, j] = places[p];
        multiply_tile(row[i].data(), T, T, m.tile(k, j), T, true, m.tile(i, j));
      }
    });
  }
  return true;
}

TileMatrix invert_upper(const TileMatrix& r, ThreadPool& pool) {
  const size_t tiles = r.tiles();
  TileMatrix inverse(r.size());
  std::vector<Tile> diagonal(tiles);  // minus the inverses of r's diagonal tiles
  pool.parallel_for(tiles, 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      invert_tile(r.tile(i, i), inverse.tile(i, i));
      vector_ops().scale(inverse.tile(i, i), -1.0f, diagonal[i].data(), T * T);
    }
  });
  // Columns of tiles are independent; the longest come first.
  pool.parallel_for(tiles, 1, [&](size_t begin, size_t end) {
    for (size_t c = begin; c < end; ++c) {
      const size_t j = tiles - 1 - c;
      for (size_t i = j; i-- > 0;) {
        Tile sum;
        for (size_t k = i + 1; k <= j; ++k) {
          multiply_tile(r.tile(i, k), T, T, inverse.tile(k, j), T, k > i + 1, sum.data());
        }
        multiply_tile(diagonal[i].data(), T, T, sum.data(), T, false, inverse.tile(i, j));
      }
    }
  });
  return inverse;
}

}  // namespace nibble
