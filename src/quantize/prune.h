#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "quantize/gptq.h"
#include "tensor/dtype.h"

/// Pruning: the weights that matter least become zero.
///
/// Wanda: Sun, Liu, Bair and Kolter 2023, "A Simple and Effective Pruning Approach for Large Language Models"
/// (arXiv 2306.11695). Weight w_ij matters as |w_ij| ||x_j||_2 (equation 1), compared within its row; the
/// others stay what they are.
///
/// SparseGPT: Frantar and Alistarh 2023, "SparseGPT: Massive Language Models Can Be Accurately Pruned in
/// One-Shot" (arXiv 2301.00774), algorithm 1. Columns are taken one after the other as in GPTQ, and the error
/// of the weights that become zero is made good in the columns to come. Which ones do is chosen for 128
/// columns at a time, over all rows, when they are reached: those of the least w^2 / U_jj^2.
namespace nibble {

/// How much of a matrix becomes zero.
struct Sparsity {
  float share = 0.5f;  ///< of all weights, 0 to 1
  uint32_t keep = 0,
           group = 0;  ///< N:M: at most `keep` of each `group` neighbours in a row stay; 0: anywhere

  bool has_pattern() const { return group > 0; }
};

/// "0.5", or "2:4" with a power of two up to 32 after the colon. Throws UsageError for anything else.
Sparsity parse_sparsity(std::string_view text);
/// As parse_sparsity takes it.
std::string sparsity_name(const Sparsity& sparsity);

/// Prunes w [rows, cols]; squares [cols] are the sums of x_j^2. With a pattern, cols must be a multiple of
/// the group.
void wanda_prune(float* w, uint64_t rows, uint64_t cols, std::span<const float> squares,
                 const Sparsity& sparsity, ThreadPool& pool);

/// Prunes w [rows, cols] and moves the other weights; `factor` is of gptq_factor with columns in their own
/// order. Channels that were always zero are pruned first.
void sparsegpt_prune(float* w, uint64_t rows, uint64_t cols, const GptqFactor& factor,
                     const Sparsity& sparsity, ThreadPool& pool);

/// Whether rounding to nearest leaves zeros what they are: the type has a code for zero in every block.
bool keeps_zeros(DType dtype);

/// The type that matrices with this sparsity are stored as where `wanted` was asked for: its sparse twin
/// (sparse_dtype) where the pattern leaves no more than that holds, else itself.
DType pruned_dtype(DType wanted, const Sparsity& sparsity);

}  // namespace nibble
