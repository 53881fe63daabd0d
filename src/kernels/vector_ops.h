#pragma once

#include <cstddef>
#include <cstdint>

/// What the runtime computes beside matrix products: norms, rotary embedding, activations, attention's
/// inner loops. One table of functions per instruction set.
namespace nibble {

enum class Isa;  // base/cpu.h, whose standard headers the files of one instruction set must not include

/// Attention reads keys as [dim, kKeyStride], the positions of a block side by side, so that the lanes of a
/// vector are positions and a product needs no sum across lanes. It multiplies panels of kKeyPanel positions;
/// values [positions, dim] have dim padded to a multiple of it: kernels have no tails.
inline constexpr size_t kKeyPanel = 16, kKeyStride = 64;

/// The functions of one instruction set. Every result depends on its own row only, in a fixed order of
/// operations: how rows are grouped into a call changes nothing.
struct VectorOps {
  void (*half_to_float)(const uint16_t* x, float* y, size_t n);
  /// Rounds to nearest even.
  void (*float_to_half)(const float* x, uint16_t* y, size_t n);

  /// x += y.
  void (*add)(float* x, const float* y, size_t n);
  /// x += y * factor.
  void (*add_scaled)(float* x, const float* y, float factor, size_t n);
  /// y = x * factor.
  void (*scale)(const float* x, float factor, float* y, size_t n);
  /// y = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019). y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, size_t n);
  /// gate = silu(gate) * up, silu(v) = v / (1 + exp(-v)): SwiGLU (Shazeer 2020).
  void (*silu_multiply)(float* gate, const float* up, size_t n);

  /// Rotates the pairs (x[i], x[i + pairs]) by the angles whose cosines and sines are [pairs].
  void (*rotate_halves)(float* x, const float* cosines, const float* sines, size_t pairs);
  /// Rotates the pairs (x[2 i], x[2 i + 1]).
  void (*rotate_interleaved)(float* x, const float* cosines, const float* sines, size_t pairs);

  /// y = factor * H x for each piece of `block` elements, H the Hadamard matrix of +-1 in Sylvester's order;
  /// block is a power of two and divides n. With factor = 1 / sqrt(block) it is a rotation, its own inverse.
  void (*hadamard)(const float* x, float factor, float* y, size_t n, size_t block);

  /// scores[r * score_stride + p] = sum over i of q[r, i] * k[i, p] in the order of i, for q [rows, dim] and
  /// keys [dim, kKeyStride], of whose positions the first 16 * panels are multiplied.
  void (*attention_scores)(const float* q, size_t rows, const float* k, size_t panels, size_t dim,
                           float* scores, size_t score_stride);
  /// The same for keys as halves.
  void (*attention_scores_half)(const float* q, size_t rows, const uint16_t* k, size_t panels, size_t dim,
                                float* scores, size_t score_stride);
  /// One step of the online softmax (Milakov and Gimelshein 2018) over a row of scores: replaces them
  /// with exp(score - max), where max is the largest so far, updates max and sum, and returns the factor
  /// exp(old max - max) that brings earlier results to the new max.
  float (*softmax_step)(float* scores, size_t n, float* max, float* sum);
  /// out[r, :] = out[r, :] * rescale[r] + sum over p of weights[r * weight_stride + p] * v[p, :], in the
  /// order of p; out [rows, dim], v [positions, dim], dim a multiple of 16.
  void (*attention_values)(const float* weights, size_t weight_stride, size_t rows, const float* v,
                           size_t positions, size_t dim, const float* rescale, float* out);
  /// The same for values as halves.
  void (*attention_values_half)(const float* weights, size_t weight_stride, size_t rows, const uint16_t* v,
                                size_t positions, size_t dim, const float* rescale, float* out);
};

/// The best table for the selected instruction set (NIBBLE_ISA counts).
const VectorOps& vector_ops();
/// The table written for this instruction set, or null where there is none (vnni and amx add nothing
/// to float work: they use avx2's and avx512's).
const VectorOps* vector_ops_of(Isa isa);

}  // namespace nibble
