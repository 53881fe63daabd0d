#pragma once

#include <cstddef>
#include <cstdint>

/// What a kernel is called with. Plain data: files of every instruction set include it.
namespace nibble {

struct TensorView;

/// Rows of a packed panel: one load of a panel feeds that many outputs (packing.h).
inline constexpr size_t kPanelRows = 16;
/// Activations are quantized in groups of this many columns.
inline constexpr size_t kActivationGroup = 32;

/// Activations [tokens, cols] in the form the kernel asks for; the other pointers are null.
struct ActivationArgs {
  size_t tokens, cols;
  size_t padded_cols;  ///< cols rounded up to kActivationGroup; padding is zero
  const float* x;      ///< [tokens, cols]
  const int8_t* q;     ///< [tokens, padded_cols]
  const int16_t* q16;  ///< [tokens, padded_cols]: of each four q's, first and third, then second and fourth
  const float* scale;  ///< [tokens, padded_cols / 32]
  const int32_t* sums32;  ///< [tokens, padded_cols / 32], sums of q
  const int32_t* sums16;  ///< [tokens, padded_cols / 16]
};

/// y[t * y_stride + r] = sum over c of W[r, c] * x[t, c] for rows [row_begin, row_end) and all tokens.
struct MatmulArgs {
  const TensorView* tensor;  ///< the weights as they lie in the file, for the reference kernels
  const std::byte* packed;   ///< the weights as KernelEntry::pack wrote them
  size_t rows, cols;
  size_t row_begin, row_end;  ///< row_begin is a multiple of kPanelRows
  ActivationArgs activations;
  float* y;
  size_t y_stride;
  std::byte* scratch;  ///< of this thread, kMatmulScratchBytes, on a cache line
  size_t token_block;  ///< tokens whose activations stay in the second-level cache together
};

/// Holds an unpacked panel of the kernels' largest block of columns.
inline constexpr size_t kMatmulScratchBytes = 64 * 1024;

using MatmulFunction = void (*)(const MatmulArgs&);

/// Where the int8 form of one token goes (ActivationArgs).
struct QuantizedToken {
  int8_t* q;        ///< [padded cols]
  float* scale;     ///< [padded cols / 32]
  int32_t* sums32;  ///< [padded cols / 32]
  int32_t* sums16;  ///< [padded cols / 16]
};

/// Quantizes one token. Every instruction set gives the same bits: scale = max|x| / 127 and q = x * (127
/// / max|x|) rounded to nearest even. A group with a value that is not finite gets a scale that is not.
using QuantizeActivations = void (*)(const float* x, size_t cols, const QuantizedToken& out);

}  // namespace nibble
