#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/cpu.h"
#include "kernels/matmul_args.h"
#include "tensor/tensor_view.h"

/// The table of matrix kernels: dispatch, tests and benchmarks read it, so that what is tested and
/// measured is what runs. CONTRIBUTING.md tells how to add a row.
namespace nibble {

/// What a kernel multiplies the weights with.
enum class ActivationForm {
  f32,             ///< the activations as they are
  bfloat16_parts,  ///< the exact sums of three bfloat16 (bfloat16_parts.h)
  int8,            ///< quantized per token and group (KernelEntry::activation_groups)
  int16,           ///< the same values widened, for kernels that multiply 16-bit pairs
};

constexpr bool is_quantized(ActivationForm form) {
  return form == ActivationForm::int8 || form == ActivationForm::int16;
}

/// How a kernel wants its weights: null functions mean that it reads the file's bytes.
struct Packing {
  /// Bytes of the packed matrix.
  size_t (*bytes)(size_t rows, size_t cols);
  /// Packs panels [begin, end) of kPanelRows rows; `out` is the beginning of the packed matrix.
  void (*pack)(const TensorView& weights, size_t begin, size_t end, std::byte* out);
};

struct KernelEntry {
  std::string_view name;
  DType dtype;
  ActivationForm activations;
  ActivationGroups activation_groups = 0;  ///< for the integer forms
  Isa isa;
  size_t tile_rows, tile_tokens;  ///< outputs kept in registers
  Packing packing;
  MatmulFunction run;
};

/// Every kernel, for each type those of int8 activations before those of float32, the best instruction set
/// first and the reference last.
std::span<const KernelEntry> kernel_table();

/// What quantized weights are multiplied with: ActivationForm::int8, or f32 where NIBBLE_ACTIVATIONS says so,
/// which is slower and shows what rounding the activations costs. Throws Error when it says anything else.
ActivationForm selected_activations();

/// The first row for this type that runs on `isa`, the widest instruction set allowed; with f32 the first one
/// that leaves activations as they are.
const KernelEntry& select_kernel(DType dtype, Isa isa, ActivationForm activations = selected_activations());

/// The first row that runs on `isa`, reads what was packed for `kernel` and has the same results bit for bit,
/// as integer kernels have; `kernel` itself where `isa` allows it or there is no other.
const KernelEntry& kernel_on_same_bytes(const KernelEntry& kernel, Isa isa);

/// What brings activations into ActivationForm::int8 on `isa`.
QuantizeActivations select_quantize_activations(Isa isa);

}  // namespace nibble
