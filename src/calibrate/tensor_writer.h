#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "calibrate/tensor_types.h"
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
  /// The file, with nothing under way.
  GgufWriter& file() {
    wait();
    return writer_;
  }

 private:
  GgufWriter& writer_;
  std::vector<std::byte> piece_;
  std::future<void> pending_;
};

/// Writes tensors one after the other, each in its type. What the file then holds is compared with the
/// source; a tensor that is not near enough is promoted and written anew (TensorTypes::accept).
class TensorWriter {
 public:
  /// `progress` counts weights, or is null.
  TensorWriter(const Checkpoint& checkpoint, TensorTypes& types, GgufWriter& file, Progress* progress,
               ThreadPool& pool)
      : checkpoint_(checkpoint), types_(types), writer_(file), progress_(progress), pool_(pool) {}

  /// Rounded to nearest; `importance` [cols] as in quantize_row, or null. A tensor whose type and row order
  /// stay is copied, so that nothing is lost by a second rounding.
  void write(const TensorView& tensor, const float* importance, FourBitScale scale);
  /// Quantized by HQQ where the type has it (has_hqq), else rounded to nearest; copied as by write().
  void write_hqq(const TensorView& tensor, const HqqOptions& options);
  /// A tensor that was quantized and checked already: rows of `bytes` in the source's order.
  void write_quantized(const TensorView& tensor, const std::vector<std::byte>& bytes);
  void write_values(std::span<const float> values);
  /// The file, with nothing under way.
  GgufWriter& file() { return writer_.file(); }

 private:
  /// Makes the bytes of one row: (type, its values, where they go).
  using RowFunction = std::function<void(DType to, const float* values, std::byte* out)>;
  /// Makes the bytes of one row of a piece and compares them with its values.
  using PieceFunction = std::function<Fidelity(uint64_t row, const float* values, std::byte* out)>;

  /// Takes the bytes of so many values.
  using Taker = std::function<void(std::vector<std::byte> piece, uint64_t values)>;

  /// How DoubleQuantizer rounds to nearest.
  struct Rounding {
    const float* importance = nullptr;
    FourBitScale scale = FourBitScale::absmax;
  };

  void write_checked(const TensorView& tensor, const RowFunction& make_row, const Rounding& of_planes);
  Fidelity make_rows(const TensorView& tensor, uint64_t stride, const PieceFunction& make_row,
                     const Taker& take);
  Fidelity make_blocks(const TensorView& tensor, const RowFunction& make_row, const Taker& take);
  Fidelity make_planes(const TensorView& tensor, const Rounding& rounding, const Taker& take);
  bool stays(const TensorView& tensor) const;
  Fidelity copy(const TensorView& tensor);

  const Checkpoint& checkpoint_;
  TensorTypes& types_;
  BackgroundWriter writer_;
  Progress* progress_;
  ThreadPool& pool_;
};

}  // namespace nibble
