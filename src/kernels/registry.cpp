#include "kernels/registry.h"

#include "base/error.h"
#include "kernels/quantize_activations.h"
#include "kernels/ref/quantize_activations.h"
#include "kernels/ref/reference_kernels.h"

namespace nibble {

namespace {

constexpr KernelEntry reference_integer(std::string_view name, DType dtype) {
  return {name, dtype, ActivationForm::int8, Isa::scalar, 1, 1, {}, reference_integer_matmul};
}

constexpr KernelEntry reference_float(std::string_view name, DType dtype) {
  return {name, dtype, ActivationForm::f32, Isa::scalar, 1, 1, {}, reference_float_matmul};
}

constexpr KernelEntry kTable[] = {
    reference_float("f32_reference", DType::F32),
    reference_float("f16_reference", DType::F16),
    reference_integer("q4_0_reference", DType::Q4_0),
    reference_integer("q4_1_reference", DType::Q4_1),
    reference_integer("q5_0_reference", DType::Q5_0),
    reference_integer("q5_1_reference", DType::Q5_1),
    reference_integer("q8_0_reference", DType::Q8_0),
    reference_integer("q2_k_reference", DType::Q2_K),
    reference_integer("q3_k_reference", DType::Q3_K),
    reference_integer("q4_k_reference", DType::Q4_K),
    reference_integer("q5_k_reference", DType::Q5_K),
    reference_integer("q6_k_reference", DType::Q6_K),
    reference_integer("iq4_nl_reference", DType::IQ4_NL),
    reference_integer("iq4_xs_reference", DType::IQ4_XS),
    reference_float("bf16_reference", DType::BF16),
    reference_integer("mxfp4_reference", DType::MXFP4),
    reference_float("nf4_reference", DType::NF4),
    reference_float("nf4_dq_reference", DType::NF4_DQ),
    reference_float("fp4_reference", DType::FP4),
    reference_float("fp4_dq_reference", DType::FP4_DQ),
    reference_integer("int8_reference", DType::INT8),
    reference_integer("int4_g64_reference", DType::INT4_G64),
    reference_integer("int4_g128_reference", DType::INT4_G128),
    reference_integer("uint4_g64_reference", DType::UINT4_G64),
    reference_integer("uint4_g128_reference", DType::UINT4_G128),
};

/// True when a kernel of instruction set `needed` may run where `allowed` is the widest one.
bool covers(Isa allowed, Isa needed) {
  return needed <= allowed && cpu_supports(needed);
}

}  // namespace

std::span<const KernelEntry> kernel_table() {
  return kTable;
}

const KernelEntry& select_kernel(DType dtype, Isa isa) {
  for (const KernelEntry& entry : kTable) {
    if (entry.dtype == dtype && covers(isa, entry.isa)) return entry;
  }
  fail("no kernel for weights of type {}", dtype_name(dtype));
}

QuantizeActivations select_quantize_activations(Isa isa) {
  return reference_quantize_activations;
}

}  // namespace nibble
