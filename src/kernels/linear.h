#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/aligned_buffer.h"
#include "kernels/matmul_args.h"
#include "tensor/tensor_view.h"

/// y = x W^T for weights of every format: what the runtime sees of the kernels.
namespace nibble {

struct KernelEntry;
enum class ActivationForm;

/// Activations of a batch, [tokens, cols] float32, and their int8 form made on demand: products with
/// several matrices (Q, K and V) quantize once. Owns its buffers, which are reused between calls.
class Activations {
 public:
  /// Refers to x until the next set(); any int8 form of earlier values is dropped.
  void set(const float* x, size_t tokens, size_t cols);
  /// The same with rms_norm(x) * weight [cols] in place of x, which is computed row by row where a form is
  /// made and not written to memory for integer forms. Refers to x and weight.
  void set_normalized(const float* x, const float* weight, float eps, size_t tokens, size_t cols);
  size_t tokens() const { return tokens_; }
  size_t cols() const { return cols_; }

  /// The widest instruction set that kernels which multiply these may use.
  void set_isa(Isa isa) { isa_ = isa; }
  Isa isa() const { return isa_; }

  /// The form a kernel asks for. Integers: per token and group along cols, x ~ scale * q with q in
  /// [-127, 127] and scale = max|x| / 127.
  ActivationArgs form(ActivationForm form, ActivationGroups groups, ThreadPool& pool);

 private:
  /// One quantized form, its buffers as in ActivationArgs.
  struct Quantized {
    ActivationGroups groups = 0;
    size_t padded_cols = 0, stride = 0;
    bool ready = false, widened = false;
    // From the beginning of a cache line: a row of an AMX tile that lies across two costs twice as much.
    std::vector<int8_t, LineAllocator<int8_t>> q;
    std::vector<uint8_t> moved;
    std::vector<int16_t> q16;
    std::vector<float> scale, scaled_sums;
    std::vector<int32_t> sums;
  };

  Quantized& of_groups(ActivationGroups groups);
  const float* values(ThreadPool& pool);
  const float* row(size_t token, float* space) const;
  template <typename Take>
  void for_each_row(ThreadPool& pool, Take take) const;
  void quantize(Quantized& form, ThreadPool& pool);
  void widen(Quantized& form, ThreadPool& pool);
  void split(ThreadPool& pool);

  Isa isa_ = Isa::amx;
  const float* x_ = nullptr;
  const float* norm_weight_ = nullptr;  // null: x as it is
  float norm_eps_ = 0;
  size_t tokens_ = 0, cols_ = 0;
  bool normed_ready_ = false;
  std::vector<float> normed_;         // [tokens, cols]
  std::vector<Quantized> quantized_;  // one for each kind of groups that was asked for
  bool split_ = false;
  size_t parts_stride_ = 0;
  std::vector<uint16_t, LineAllocator<uint16_t>> parts_;  // ActivationArgs::parts
};

/// A weight matrix [rows, cols] ready for its kernel: packed bytes of its own where the kernel wants the
/// rows interleaved, the mapped bytes where it reads the file's layout.
class Linear {
 public:
  Linear() = default;
  /// Picks the best kernel of the selected instruction set and packs the weights for it. The tensor's
  /// bytes must outlive the object (row() reads them); its pages may be given back to the system.
  static Linear pack(const TensorView& weights, ThreadPool& pool);
  /// The same with a kernel of the caller's choice, for tests and benchmarks.
  static Linear pack(const TensorView& weights, const KernelEntry& kernel, ThreadPool& pool);
  /// Over bytes that were packed for this kernel before, and that outlive the object.
  static Linear over(const TensorView& weights, const KernelEntry& kernel, const std::byte* packed);

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  DType dtype() const { return view_.dtype; }
  std::string_view kernel_name() const { return kernel_name(Isa::amx); }
  /// Of the kernel that multiplies activations which allow this instruction set at most.
  std::string_view kernel_name(Isa isa) const;
  /// True when its kernels multiply integers, false when they multiply floats.
  bool quantizes_activations() const;
  /// What the kernel reads of the weights; none for kernels that read the tensor itself.
  std::span<const std::byte> packed() const;
  /// Bytes of its own, beside the mapped file.
  size_t owned_bytes() const { return owned_.size(); }

  /// With the kernel that was packed for, or the best one that x.isa() allows and that has the same results
  /// on the same packed bytes: y[token * y_stride + row] = sum over col of W[row, col] * x[token, col].
  /// Results of a token do not depend on the number of threads nor on the other tokens of the batch.
  void multiply(Activations& x, float* y, size_t y_stride, ThreadPool& pool) const;

  /// A matrix and where its product goes, as in multiply().
  struct Product {
    const Linear* weights;
    float* y;
    size_t y_stride;
  };
  /// Several matrices by the same activations: their rows are shared out over the threads at once.
  static void multiply_all(std::span<const Product> products, Activations& x, ThreadPool& pool);
  /// Matrices of the same shape, some rows of each at a time: finish(begin, end) is called for every piece
  /// of rows when the products of all tokens with these rows are there, on the thread whose cache has them.
  static void multiply_then(std::span<const Product> products, Activations& x, ThreadPool& pool,
                            FunctionRef<void(size_t begin, size_t end)> finish);

  /// One row as float32 (an embedding look-up).
  void row(size_t index, float* out) const;

 private:
  struct Job;
  Job prepare(const Product& product, Activations& x, ThreadPool& pool) const;
  const KernelEntry& kernel_for(const Activations& x) const;
  size_t panels_per_task(const Activations& x, int threads) const;

  size_t rows_ = 0, cols_ = 0;
  std::array<const KernelEntry*, kIsaCount> kernels_{};  // by the widest Isa allowed; last: packed for
  TensorView view_;
  AlignedBuffer owned_;
  const std::byte* packed_ = nullptr;  ///< in owned_, or elsewhere
};

}  // namespace nibble
