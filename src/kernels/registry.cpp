#include "kernels/registry.h"

#include "base/error.h"
#include "kernels/isa_kernels.h"
#include "kernels/packing.h"
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

/// A kernel of kernels/simd/ for one instruction set.
template <PackedFormat F>
constexpr KernelEntry integer(std::string_view name, DType dtype, Isa isa, size_t tokens,
                              MatmulFunction run) {
  const bool pairs = F.wide() && isa != Isa::avx512_vnni;
  const ActivationForm form = pairs ? ActivationForm::int16 : ActivationForm::int8;
  return {name, dtype, form, isa, kPanelRows, tokens, {integer_packed_bytes<F>, pack_integer<F>}, run};
}

template <FloatFormat F>
constexpr KernelEntry floating(std::string_view name, DType dtype, Isa isa, size_t tokens,
                               MatmulFunction run) {
  return {name, dtype, ActivationForm::f32, isa, kPanelRows, tokens, {float_packed_bytes<F>, pack_float<F>},
          run};
}

constexpr KernelEntry kTable[] = {
    floating<FloatFormat::f32>("f32_avx512_16x12", DType::F32, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::f32>),
    floating<FloatFormat::f32>("f32_avx2_16x6", DType::F32, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::f32>),
    reference_float("f32_reference", DType::F32),
    floating<FloatFormat::f16>("f16_avx512_16x12", DType::F16, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::f16>),
    floating<FloatFormat::f16>("f16_avx2_16x6", DType::F16, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::f16>),
    reference_float("f16_reference", DType::F16),
    integer<kPackedQ4_0>("q4_0_vnni_16x8", DType::Q4_0, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ4_0>),
    integer<kPackedQ4_0>("q4_0_avx512_16x8", DType::Q4_0, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ4_0>),
    integer<kPackedQ4_0>("q4_0_avx2_16x4", DType::Q4_0, Isa::avx2, 4, avx2::integer_matmul<kPackedQ4_0>),
    reference_integer("q4_0_reference", DType::Q4_0),
    integer<kPackedQ4_1>("q4_1_vnni_16x8", DType::Q4_1, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ4_1>),
    integer<kPackedQ4_1>("q4_1_avx512_16x8", DType::Q4_1, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ4_1>),
    integer<kPackedQ4_1>("q4_1_avx2_16x4", DType::Q4_1, Isa::avx2, 4, avx2::integer_matmul<kPackedQ4_1>),
    reference_integer("q4_1_reference", DType::Q4_1),
    integer<kPackedQ5_0>("q5_0_vnni_16x8", DType::Q5_0, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ5_0>),
    integer<kPackedQ5_0>("q5_0_avx512_16x8", DType::Q5_0, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ5_0>),
    integer<kPackedQ5_0>("q5_0_avx2_16x4", DType::Q5_0, Isa::avx2, 4, avx2::integer_matmul<kPackedQ5_0>),
    reference_integer("q5_0_reference", DType::Q5_0),
    integer<kPackedQ5_1>("q5_1_vnni_16x8", DType::Q5_1, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ5_1>),
    integer<kPackedQ5_1>("q5_1_avx512_16x8", DType::Q5_1, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ5_1>),
    integer<kPackedQ5_1>("q5_1_avx2_16x4", DType::Q5_1, Isa::avx2, 4, avx2::integer_matmul<kPackedQ5_1>),
    reference_integer("q5_1_reference", DType::Q5_1),
    integer<kPackedQ8_0>("q8_0_vnni_16x8", DType::Q8_0, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ8_0>),
    integer<kPackedQ8_0>("q8_0_avx512_16x8", DType::Q8_0, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ8_0>),
    integer<kPackedQ8_0>("q8_0_avx2_16x4", DType::Q8_0, Isa::avx2, 4, avx2::integer_matmul<kPackedQ8_0>),
    reference_integer("q8_0_reference", DType::Q8_0),
    integer<kPackedQ2_K>("q2_k_vnni_16x8", DType::Q2_K, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ2_K>),
    integer<kPackedQ2_K>("q2_k_avx512_16x8", DType::Q2_K, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ2_K>),
    integer<kPackedQ2_K>("q2_k_avx2_16x4", DType::Q2_K, Isa::avx2, 4, avx2::integer_matmul<kPackedQ2_K>),
    reference_integer("q2_k_reference", DType::Q2_K),
    integer<kPackedQ3_K>("q3_k_vnni_16x8", DType::Q3_K, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ3_K>),
    integer<kPackedQ3_K>("q3_k_avx512_16x8", DType::Q3_K, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ3_K>),
    integer<kPackedQ3_K>("q3_k_avx2_16x4", DType::Q3_K, Isa::avx2, 4, avx2::integer_matmul<kPackedQ3_K>),
    reference_integer("q3_k_reference", DType::Q3_K),
    integer<kPackedQ4_K>("q4_k_vnni_16x8", DType::Q4_K, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ4_K>),
    integer<kPackedQ4_K>("q4_k_avx512_16x8", DType::Q4_K, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ4_K>),
    integer<kPackedQ4_K>("q4_k_avx2_16x4", DType::Q4_K, Isa::avx2, 4, avx2::integer_matmul<kPackedQ4_K>),
    reference_integer("q4_k_reference", DType::Q4_K),
    integer<kPackedQ5_K>("q5_k_vnni_16x8", DType::Q5_K, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ5_K>),
    integer<kPackedQ5_K>("q5_k_avx512_16x8", DType::Q5_K, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ5_K>),
    integer<kPackedQ5_K>("q5_k_avx2_16x4", DType::Q5_K, Isa::avx2, 4, avx2::integer_matmul<kPackedQ5_K>),
    reference_integer("q5_k_reference", DType::Q5_K),
    integer<kPackedQ6_K>("q6_k_vnni_16x8", DType::Q6_K, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedQ6_K>),
    integer<kPackedQ6_K>("q6_k_avx512_16x8", DType::Q6_K, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedQ6_K>),
    integer<kPackedQ6_K>("q6_k_avx2_16x4", DType::Q6_K, Isa::avx2, 4, avx2::integer_matmul<kPackedQ6_K>),
    reference_integer("q6_k_reference", DType::Q6_K),
    integer<kPackedIQ4_NL>("iq4_nl_vnni_16x8", DType::IQ4_NL, Isa::avx512_vnni, 8,
                           vnni::integer_matmul<kPackedIQ4_NL>),
    integer<kPackedIQ4_NL>("iq4_nl_avx512_16x8", DType::IQ4_NL, Isa::avx512, 8,
                           avx512::integer_matmul<kPackedIQ4_NL>),
    integer<kPackedIQ4_NL>("iq4_nl_avx2_16x4", DType::IQ4_NL, Isa::avx2, 4,
                           avx2::integer_matmul<kPackedIQ4_NL>),
    reference_integer("iq4_nl_reference", DType::IQ4_NL),
    integer<kPackedIQ4_XS>("iq4_xs_vnni_16x8", DType::IQ4_XS, Isa::avx512_vnni, 8,
                           vnni::integer_matmul<kPackedIQ4_XS>),
    integer<kPackedIQ4_XS>("iq4_xs_avx512_16x8", DType::IQ4_XS, Isa::avx512, 8,
                           avx512::integer_matmul<kPackedIQ4_XS>),
    integer<kPackedIQ4_XS>("iq4_xs_avx2_16x4", DType::IQ4_XS, Isa::avx2, 4,
                           avx2::integer_matmul<kPackedIQ4_XS>),
    reference_integer("iq4_xs_reference", DType::IQ4_XS),
    floating<FloatFormat::bf16>("bf16_avx512_16x12", DType::BF16, Isa::avx512, 12,
                                avx512::float_matmul<FloatFormat::bf16>),
    floating<FloatFormat::bf16>("bf16_avx2_16x6", DType::BF16, Isa::avx2, 6,
                                avx2::float_matmul<FloatFormat::bf16>),
    reference_float("bf16_reference", DType::BF16),
    integer<kPackedMXFP4>("mxfp4_vnni_16x8", DType::MXFP4, Isa::avx512_vnni, 8,
                          vnni::integer_matmul<kPackedMXFP4>),
    integer<kPackedMXFP4>("mxfp4_avx512_16x8", DType::MXFP4, Isa::avx512, 8,
                          avx512::integer_matmul<kPackedMXFP4>),
    integer<kPackedMXFP4>("mxfp4_avx2_16x4", DType::MXFP4, Isa::avx2, 4, avx2::integer_matmul<kPackedMXFP4>),
    reference_integer("mxfp4_reference", DType::MXFP4),
    floating<FloatFormat::nf4>("nf4_avx512_16x12", DType::NF4, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::nf4>),
    floating<FloatFormat::nf4>("nf4_avx2_16x6", DType::NF4, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::nf4>),
    reference_float("nf4_reference", DType::NF4),
    floating<FloatFormat::nf4>("nf4_dq_avx512_16x12", DType::NF4_DQ, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::nf4>),
    floating<FloatFormat::nf4>("nf4_dq_avx2_16x6", DType::NF4_DQ, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::nf4>),
    reference_float("nf4_dq_reference", DType::NF4_DQ),
    floating<FloatFormat::fp4>("fp4_avx512_16x12", DType::FP4, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::fp4>),
    floating<FloatFormat::fp4>("fp4_avx2_16x6", DType::FP4, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::fp4>),
    reference_float("fp4_reference", DType::FP4),
    floating<FloatFormat::fp4>("fp4_dq_avx512_16x12", DType::FP4_DQ, Isa::avx512, 12,
                               avx512::float_matmul<FloatFormat::fp4>),
    floating<FloatFormat::fp4>("fp4_dq_avx2_16x6", DType::FP4_DQ, Isa::avx2, 6,
                               avx2::float_matmul<FloatFormat::fp4>),
    reference_float("fp4_dq_reference", DType::FP4_DQ),
    integer<kPackedInt8>("int8_vnni_16x8", DType::INT8, Isa::avx512_vnni, 8,
                         vnni::integer_matmul<kPackedInt8>),
    integer<kPackedInt8>("int8_avx512_16x8", DType::INT8, Isa::avx512, 8,
                         avx512::integer_matmul<kPackedInt8>),
    integer<kPackedInt8>("int8_avx2_16x4", DType::INT8, Isa::avx2, 4, avx2::integer_matmul<kPackedInt8>),
    reference_integer("int8_reference", DType::INT8),
    integer<kPackedInt4G64>("int4_g64_vnni_16x8", DType::INT4_G64, Isa::avx512_vnni, 8,
                            vnni::integer_matmul<kPackedInt4G64>),
    integer<kPackedInt4G64>("int4_g64_avx512_16x8", DType::INT4_G64, Isa::avx512, 8,
                            avx512::integer_matmul<kPackedInt4G64>),
    integer<kPackedInt4G64>("int4_g64_avx2_16x4", DType::INT4_G64, Isa::avx2, 4,
                            avx2::integer_matmul<kPackedInt4G64>),
    reference_integer("int4_g64_reference", DType::INT4_G64),
    integer<kPackedInt4G128>("int4_g128_vnni_16x8", DType::INT4_G128, Isa::avx512_vnni, 8,
                             vnni::integer_matmul<kPackedInt4G128>),
    integer<kPackedInt4G128>("int4_g128_avx512_16x8", DType::INT4_G128, Isa::avx512, 8,
                             avx512::integer_matmul<kPackedInt4G128>),
    integer<kPackedInt4G128>("int4_g128_avx2_16x4", DType::INT4_G128, Isa::avx2, 4,
                             avx2::integer_matmul<kPackedInt4G128>),
    reference_integer("int4_g128_reference", DType::INT4_G128),
    integer<kPackedUint4G64>("uint4_g64_vnni_16x8", DType::UINT4_G64, Isa::avx512_vnni, 8,
                             vnni::integer_matmul<kPackedUint4G64>),
    integer<kPackedUint4G64>("uint4_g64_avx512_16x8", DType::UINT4_G64, Isa::avx512, 8,
                             avx512::integer_matmul<kPackedUint4G64>),
    integer<kPackedUint4G64>("uint4_g64_avx2_16x4", DType::UINT4_G64, Isa::avx2, 4,
                             avx2::integer_matmul<kPackedUint4G64>),
    reference_integer("uint4_g64_reference", DType::UINT4_G64),
    integer<kPackedUint4G128>("uint4_g128_vnni_16x8", DType::UINT4_G128, Isa::avx512_vnni, 8,
                              vnni::integer_matmul<kPackedUint4G128>),
    integer<kPackedUint4G128>("uint4_g128_avx512_16x8", DType::UINT4_G128, Isa::avx512, 8,
                              avx512::integer_matmul<kPackedUint4G128>),
    integer<kPackedUint4G128>("uint4_g128_avx2_16x4", DType::UINT4_G128, Isa::avx2, 4,
                              avx2::integer_matmul<kPackedUint4G128>),
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
  return covers(isa, Isa::avx2) ? avx2::quantize_activations : reference_quantize_activations;
}

}  // namespace nibble
