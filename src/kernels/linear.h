#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "tensor/tensor_view.h"

/// y = x W^T for weights of every format: what the runtime sees of the kernels.
namespace nibble {

struct KernelEntry;  // one row of the table in kernels/registry.h

/// Activations of a batch, [tokens, cols] float32, and their int8 form made on demand: products with
/// several matrices (Q, K and V) quantize once. Owns its buffers, which are reused between calls.
class Activations {
 public:
  /// Refers to x until the next set(); any int8 form of earlier values is dropped.
  void set(const float* x, size_t tokens, size_t cols);
  const float* x() const { return x_; }
  size_t tokens() const { return tokens_; }
  size_t cols() const { return cols_; }

  /// Per token and group of 32 along cols: x ~ scale * q, q in [-127, 127]. sums[j] is the integer sum
  /// of 16 q's, for formats with a minimum. cols that are no multiple of 32 are padded with zeros.
  struct Int8 {
    std::vector<int8_t> q;       ///< [tokens, padded_cols]
    std::vector<float> scale;    ///< [tokens, padded_cols / 32]
    std::vector<int16_t> sums;   ///< [tokens, padded_cols / 16]
    size_t padded_cols = 0;
  };
  const Int8& int8(ThreadPool& pool);

 private:
  const float* x_ = nullptr;
  size_t tokens_ = 0, cols_ = 0;
  Int8 int8_;
  bool int8_valid_ = false;
};

/// A weight matrix [rows, cols] ready for its kernel. Refers to the mapped bytes where the kernel reads
/// the file's layout, owns packed bytes where it does not.
class Linear {
 public:
  Linear() = default;
  /// Picks the best kernel of the selected instruction set and packs the weights for it.
  /// The tensor's bytes must outlive the object.
  static Linear pack(const TensorView& weights, ThreadPool& pool);

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  DType dtype() const { return dtype_; }
  std::string_view kernel_name() const;
  /// Bytes held beside the mapped file.
  size_t owned_bytes() const { return owned_.size(); }

  /// y[token * y_stride + row] = sum over col of W[row, col] * x[token, col]. Results of a token do not
  /// depend on the number of threads nor on the other tokens of the batch.
  void multiply(Activations& x, float* y, size_t y_stride, ThreadPool& pool) const;

  /// One row as float32 (an embedding look-up).
  void row(size_t index, float* out) const;

 private:
  size_t rows_ = 0, cols_ = 0;
  DType dtype_ = DType::F32;
  const KernelEntry* kernel_ = nullptr;
  TensorView view_;
  std::vector<std::byte> owned_;
};

}  // namespace nibble
