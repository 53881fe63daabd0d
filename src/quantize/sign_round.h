#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "quantize/block_grid.h"
#include "tensor/dtype.h"

/// SignRound, the method of AutoRound: Cheng, Zhang, Shen, Cai, He, Lv and Liu 2023, "Optimize Weight
/// Rounding via Signed Gradient Descent for the Quantization of LLMs" (arXiv 2309.05516), section 3.
///
/// A weight w stands at p(w / s) on the axis of codes, where code c has place c and places between two levels
/// are interpolated. Its code is round(p + V), cut to those that there are; V in [-0.5, 0.5] decides to which
/// of its two neighbours it goes (equation 3). Clipping parameters alpha and beta scale the ends of a block's
/// range (equation 4). Both follow the sign of the loss's gradient, taken through the rounding as if it were
/// not there (straight-through estimation), with a falling rate.
namespace nibble {

class SignRound {
 public:
  /// w [rows, cols] for a type with has_grid(dtype). Begins at round to nearest with the scales that
  /// quantize_row chooses for `importance` [cols], or null for equal.
  SignRound(DType dtype, std::vector<float> w, uint64_t rows, uint64_t cols, const float* importance,
            ThreadPool& pool);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  /// The weights [rows, cols] as the file will hold them, scales in the type's own precision.
  void dequantize(float* out, ThreadPool& pool) const;
  /// Moves V, alpha and beta by `rate` against the sign of their gradients; `gradient` [rows, cols] is the
  /// loss's by the dequantized weights. Scales that are chosen jointly (K-quants) or are powers of two stay.
  void step(const float* gradient, float rate, ThreadPool& pool);
  /// Rows of the type's blocks.
  std::vector<std::byte> bytes(ThreadPool& pool) const;

 private:
  /// The range of a block: `high` is the scale (the largest value) and `low` the offset (the smallest value)
  /// at which nothing is clipped.
  struct Range {
    float high = 0, low = 0;
    float alpha = 1, beta = 1;
    float most_alpha = 1, most_beta = 1;  ///< more than 1 where round to nearest chose so
  };
  struct Scratch;

  template <typename Body>
  void for_each_block(ThreadPool& pool, Body body) const;
  void begin_range(size_t block, Scratch& s);
  void set_scales(size_t block);
  void round(size_t block, Scratch& s) const;
  void step_range(size_t block, const float* gradient, float rate, const Scratch& s);
  std::byte* block_bytes(size_t block) { return &bytes_[block * block_bytes_]; }
  const std::byte* block_bytes(size_t block) const { return &bytes_[block * block_bytes_]; }

  DType dtype_;
  Grid grid_;
  BlockScales scales_;
  uint64_t rows_, cols_;
  size_t block_, block_bytes_;    ///< elements and bytes
  std::vector<float> w_, v_;      // [rows, cols]
  std::vector<Range> ranges_;     // of each block, where its scales can be moved
  std::vector<std::byte> bytes_;  ///< blocks with the scales of now and codes of the beginning
};

}  // namespace nibble
