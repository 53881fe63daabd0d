#include "kernels/registry.h"

#include <cstdlib>

#include "base/error.h"
#include "kernels/isa_kernels.h"
#include "kernels/packing.h"
#include "kernels/ref/quantize_activations.h"
#include "kernels/ref/reference_kernels.h"

namespace nibble {

namespace {

template <PackedFormat F>
constexpr KernelEntry reference_integer(std::string_view name, DType dtype) {
  return {name, dtype, ActivationForm::int8,    F.activation_groups(), Isa::scalar, 1,
          1,    {},    reference_integer_matmul};
}

constexpr KernelEntry reference_float(std::string_view name, DType dtype) {
  return {name, dtype, ActivationForm::f32, 0, Isa::scalar, 1, 1, {}, reference_float_matmul};
}

/// A kernel for one instruction set.
template <PackedFormat F>
constexpr KernelEntry integer(std::string_view name, DType dtype, Isa isa, size_t rows, size_t tokens,
                              MatmulFunction run) {
  const bool dot_product = isa == Isa::avx_vnni || isa >= Isa::avx512_vnni;
  const bool pairs = F.wide() && !dot_product;
  const ActivationForm form = pairs ? ActivationForm::int16 : ActivationForm::int8;
  return {name, dtype, form,   F.activation_groups(),
          isa,  rows,  tokens, {integer_packed_bytes<F>, pack_integer<F>},
          run};
}

template <FloatFormat F>
constexpr KernelEntry floating(std::string_view name, DType dtype, Isa isa, size_t tokens,
                               MatmulFunction run) {
  const bool tiles = isa == Isa::amx;
  const ActivationForm form = tiles ? ActivationForm::bfloat16_parts : ActivationForm::f32;
  const size_t rows = tiles ? 2 * kPanelRows : kPanelRows;
  return {name, dtype, form, 0, isa, rows, tokens, {float_packed_bytes<F>, pack_float<F>}, run};
}

/// The float kernels over a panel of integers.
template <PackedFormat F>
constexpr KernelEntry dequantizing(std::string_view name, DType dtype, Isa isa, size_t tokens,
                                   MatmulFunction run) {
  const Packing packing{integer_packed_bytes<F>, pack_integer<F>};
  return {name, dtype, ActivationForm::f32, 0, isa, kPanelRows, tokens, packing, run};
}

/// The rows of a format, one for each instruction set, best first. The tiles are those of
/// amx/integer_kernel.h and of each instruction set's vectors.h.
// clang-format off
#define NIBBLE_ROUNDING_ROWS(name, dtype, format)                                                        \
  integer<format>(name "_vnni_32x6", dtype, Isa::avx512_vnni, 32, 6, vnni::integer_matmul<format>),      \
  integer<format>(name "_avx512_16x8", dtype, Isa::avx512, 16, 8, avx512::integer_matmul<format>),       \
  integer<format>(name "_avx_vnni_16x4", dtype, Isa::avx_vnni, 16, 4, avx_vnni::integer_matmul<format>), \
  integer<format>(name "_avx2_16x4", dtype, Isa::avx2, 16, 4, avx2::integer_matmul<format>),             \
  reference_integer<format>(name "_reference", dtype)

#define NIBBLE_DEQUANTIZED_ROWS(name, dtype, format)                                                      \
  dequantizing<format>(name "_avx512_16x12", dtype, Isa::avx512, 12, avx512::dequantized_matmul<format>), \
  dequantizing<format>(name "_avx2_16x6", dtype, Isa::avx2, 6, avx2::dequantized_matmul<format>),         \
  reference_float(name "_reference", dtype)

#define NIBBLE_FLOAT_ROWS(name, dtype, format)                                                  \
  floating<format>(name "_avx512_16x12", dtype, Isa::avx512, 12, avx512::float_matmul<format>), \
  floating<format>(name "_avx2_16x6", dtype, Isa::avx2, 6, avx2::float_matmul<format>),         \
  reference_float(name "_reference", dtype)

#define NIBBLE_BFLOAT16_ROWS(name, dtype, format)                                      \
  floating<format>(name "_amx_32x32", dtype, Isa::amx, 32, amx::float_matmul<format>), \
  NIBBLE_FLOAT_ROWS(name, dtype, format)

// Groups of 16 and 32 columns leave a row of AMX's tiles half empty and cost more to scale than VPDPBUSD saves.
#define NIBBLE_TILE_ROW(name, dtype, format) \
  integer<format>(name "_amx_64x16", dtype, Isa::amx, 64, 16, amx::integer_matmul<format>)

// Quantized weights: with activations rounded to integers first, with float32 ones on demand.
#define NIBBLE_INTEGER_ROWS(name, dtype, format) \
  NIBBLE_ROUNDING_ROWS(name, dtype, format), NIBBLE_DEQUANTIZED_ROWS(name "_f32", dtype, format)

#define NIBBLE_WIDE_INTEGER_ROWS(name, dtype, format) \
  NIBBLE_TILE_ROW(name, dtype, format), NIBBLE_INTEGER_ROWS(name, dtype, format)

#define NIBBLE_FOUR_BIT_FLOAT_ROWS(name, dtype, format, float_format) \
  NIBBLE_TILE_ROW(name, dtype, format), NIBBLE_ROUNDING_ROWS(name, dtype, format), NIBBLE_FLOAT_ROWS(name "_f32", dtype, float_format)
// clang-format on

constexpr KernelEntry kTable[] = {
    NIBBLE_FLOAT_ROWS("f32", DType::F32, FloatFormat::f32),
    NIBBLE_FLOAT_ROWS("f16", DType::F16, FloatFormat::f16),
    NIBBLE_INTEGER_ROWS("q4_0", DType::Q4_0, kPackedQ4_0),
    NIBBLE_INTEGER_ROWS("q4_1", DType::Q4_1, kPackedQ4_1),
    NIBBLE_INTEGER_ROWS("q5_0", DType::Q5_0, kPackedQ5_0),
    NIBBLE_INTEGER_ROWS("q5_1", DType::Q5_1, kPackedQ5_1),
    NIBBLE_INTEGER_ROWS("q8_0", DType::Q8_0, kPackedQ8_0),
    NIBBLE_INTEGER_ROWS("q2_k", DType::Q2_K, kPackedQ2_K),
    NIBBLE_WIDE_INTEGER_ROWS("q3_k", DType::Q3_K, kPackedQ3_K),
    NIBBLE_INTEGER_ROWS("q4_k", DType::Q4_K, kPackedQ4_K),
    NIBBLE_INTEGER_ROWS("q5_k", DType::Q5_K, kPackedQ5_K),
    NIBBLE_INTEGER_ROWS("q6_k", DType::Q6_K, kPackedQ6_K),
    NIBBLE_INTEGER_ROWS("iq4_nl", DType::IQ4_NL, kPackedIQ4_NL),
    NIBBLE_INTEGER_ROWS("iq4_xs", DType::IQ4_XS, kPackedIQ4_XS),
    NIBBLE_BFLOAT16_ROWS("bf16", DType::BF16, FloatFormat::bf16),
    NIBBLE_INTEGER_ROWS("mxfp4", DType::MXFP4, kPackedMXFP4),
    NIBBLE_FOUR_BIT_FLOAT_ROWS("nf4", DType::NF4, kPackedNF4, FloatFormat::nf4),
    NIBBLE_FOUR_BIT_FLOAT_ROWS("nf4_dq", DType::NF4_DQ, kPackedNF4, FloatFormat::nf4),
    NIBBLE_FOUR_BIT_FLOAT_ROWS("fp4", DType::FP4, kPackedFP4, FloatFormat::fp4),
    NIBBLE_FOUR_BIT_FLOAT_ROWS("fp4_dq", DType::FP4_DQ, kPackedFP4, FloatFormat::fp4),
    NIBBLE_WIDE_INTEGER_ROWS("int8", DType::INT8, kPackedInt8),
    NIBBLE_WIDE_INTEGER_ROWS("int4_g64", DType::INT4_G64, kPackedInt4G64),
    NIBBLE_WIDE_INTEGER_ROWS("int4_g128", DType::INT4_G128, kPackedInt4G128),
    NIBBLE_WIDE_INTEGER_ROWS("uint4_g64", DType::UINT4_G64, kPackedUint4G64),
    NIBBLE_WIDE_INTEGER_ROWS("uint4_g128", DType::UINT4_G128, kPackedUint4G128),
    NIBBLE_INTEGER_ROWS("q8_s50", DType::Q8_S50, kPackedQ8_0),
    NIBBLE_INTEGER_ROWS("q4_s50", DType::Q4_S50, kPackedQ4_0),
};

/// True when a kernel of instruction set `needed` may run where `allowed` is the widest one.
bool covers(Isa allowed, Isa needed) {
  return needed <= allowed && cpu_supports(needed);
}

}  // namespace

std::span<const KernelEntry> kernel_table() {
  return kTable;
}

ActivationForm selected_activations() {
  const char* wanted = std::getenv("NIBBLE_ACTIVATIONS");
  if (wanted == nullptr || *wanted == '\0' || std::string_view(wanted) == "int8") return ActivationForm::int8;
  if (std::string_view(wanted) == "f32") return ActivationForm::f32;
  fail("NIBBLE_ACTIVATIONS={} is not a form of activations; use int8 or f32", wanted);
}

const KernelEntry& select_kernel(DType dtype, Isa isa, ActivationForm activations) {
  for (const KernelEntry& entry : kTable) {
    const bool exact = activations != ActivationForm::f32 || !is_quantized(entry.activations);
    if (entry.dtype == dtype && exact && covers(isa, entry.isa)) return entry;
  }
  fail("no kernel for weights of type {}", dtype_name(dtype));
}

const KernelEntry& kernel_on_same_bytes(const KernelEntry& kernel, Isa isa) {
  if (isa >= kernel.isa || kernel.packing.pack == nullptr || !is_quantized(kernel.activations)) {
    return kernel;
  }
  for (const KernelEntry& entry : kTable) {
    const bool same_bytes = entry.dtype == kernel.dtype && entry.packing.pack == kernel.packing.pack;
    if (same_bytes && is_quantized(entry.activations) && covers(isa, entry.isa)) return entry;
  }
  return kernel;
}

QuantizeActivations select_quantize_activations(Isa isa) {
  return covers(isa, Isa::avx2) ? avx2::quantize_activations : reference_quantize_activations;
}

}  // namespace nibble
