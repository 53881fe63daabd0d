#pragma once

#include <stddef.h>
#include <stdint.h>

/// The loops of roof_probe.h, defined in the folder of each instruction set.
namespace nibble {

namespace ref {
inline constexpr uint64_t kProductsPerRound = 512, kFloatProductsPerRound = 8 * 4;
uint64_t probe_read(const void* data, size_t bytes);
uint64_t probe_multiply(uint64_t rounds);
float probe_multiply_float(uint64_t rounds);
}  // namespace ref

namespace avx2 {
inline constexpr uint64_t kProductsPerRound = 8 * 32, kFloatProductsPerRound = 12 * 8;
uint64_t probe_read(const void* data, size_t bytes);
uint64_t probe_multiply(uint64_t rounds);
float probe_multiply_float(uint64_t rounds);
}  // namespace avx2

namespace avx_vnni {
inline constexpr uint64_t kProductsPerRound = 12 * 32;
uint64_t probe_multiply(uint64_t rounds);
}  // namespace avx_vnni

namespace avx512 {
inline constexpr uint64_t kProductsPerRound = 16 * 64, kFloatProductsPerRound = 16 * 16;
uint64_t probe_read(const void* data, size_t bytes);
uint64_t probe_multiply(uint64_t rounds);
float probe_multiply_float(uint64_t rounds);
}  // namespace avx512

namespace vnni {
inline constexpr uint64_t kProductsPerRound = 16 * 64;
uint64_t probe_multiply(uint64_t rounds);
}  // namespace vnni

namespace amx {
inline constexpr uint64_t kProductsPerRound = 4 * 16 * 16 * 64;
uint64_t probe_multiply(uint64_t rounds);
}  // namespace amx

}  // namespace nibble
