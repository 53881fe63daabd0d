#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "formats/gguf.h"
#include "model/checkpoint.h"
#include "quantize/four_bit_scale.h"
#include "quantize/hqq.h"
#include "tensor/tensor_view.h"

/// From a checkpoint's tensors to those of a GGUF file, in pieces of rows.
namespace nibble {

/// Rows of a source tensor, and the order in which GGUF holds them.
class SourceRows {
 public:
  SourceRows(const Checkpoint& checkpoint, const TensorView& tensor);

  /// The row that GGUF holds at `row`, or the whole vector, as float32 [cols]. Throws Error on a value that
  /// is not finite.
  void read(uint64_t row, float* out) const;
  /// The row that the source holds at `row`.
  void read_source(uint64_t row, float* out) const;
  /// Where GGUF's row stands in the source.
  uint64_t source_row(uint64_t row) const;
  /// Gives back the pages of rows that were read for the last time.
  void release(uint64_t first, uint64_t count) const;

 private:
  bool read_finite(uint64_t row, float* out) const;
  void permute(float* bias) const;

  const Checkpoint& checkpoint_;
  const TensorView& tensor_;
  bool permuted_;
};

/// Appends pieces to the file while the next ones are made.
class BackgroundWriter {
 public:
  explicit BackgroundWriter(GgufWriter& writer) : writer_(writer) {}
  ~BackgroundWriter();

  void write(std::vector<std::byte> piece);
  void wait();

 private:
  GgufWriter& writer_;
  std::vector<std::byte> piece_;
  std::future<void> pending_;
};

/// Writes tensors one after the other.
class TensorWriter {
 public:
  TensorWriter(const Checkpoint& checkpoint, GgufWriter& file, Progress& progress, ThreadPool& pool)
      : checkpoint_(checkpoint), writer_(file), progress_(progress), pool_(pool) {}

  /// The tensor as `to`, rounded to nearest; `importance` [cols] as in quantize_row, or null. A tensor whose
  /// type and row order stay is copied, so that nothing is lost by a second rounding.
  void write(const TensorView& tensor, DType to, const float* importance, FourBitScale scale);
  /// The tensor as `to` (has_hqq(to)), quantized by HQQ; copied as by write().
  void write_hqq(const TensorView& tensor, DType to, const HqqOptions& options);
  /// A tensor that was quantized already: rows of `bytes` in the source's order.
  void write_quantized(const TensorView& tensor, const std::vector<std::byte>& bytes);
  void write_values(std::span<const float> values);
  void wait() { writer_.wait(); }

 private:
  /// Makes the bytes of one row: (row, its values, where they go).
  using RowFunction = std::function<void(uint64_t row, const float* values, std::byte* out)>;
  void write_rows(const TensorView& tensor, uint64_t stride, const RowFunction& make_row);
  bool stays(const TensorView& tensor, DType to) const;
  void copy(const TensorView& tensor);

  const Checkpoint& checkpoint_;
  BackgroundWriter writer_;
  Progress& progress_;
  ThreadPool& pool_;
};

}  // namespace nibble
