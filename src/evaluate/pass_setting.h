#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "evaluate/roofs.h"
#include "runtime/model.h"

/// Choosing threads and kernels for a phase by measuring, from what the roofs leave worth trying.
namespace nibble {

/// How the passes of a phase run.
struct PassSetting {
  int threads = 0;
  Isa isa = Isa::scalar;  ///< the widest that kernels may use
};

/// What to try for passes over `tokens` tokens with `logits` rows of logits: the numbers of threads whose
/// roofs come near the best, each with every instruction set for which the model has kernels of its own.
/// The first is the default: all threads and the widest. NIBBLE_ISA leaves one instruction set.
std::vector<PassSetting> candidate_settings(std::span<const Roofs> steps, const Model& model, uint64_t tokens,
                                            uint64_t logits);

/// The index of the setting to take, given the seconds of each: among those within 2% of the shortest,
/// which is about what measurements vary by, the fewest threads and then the earliest.
size_t best_setting(std::span<const PassSetting> settings, std::span<const double> seconds);

/// The kernels of a model's matrices with that instruction set at most, those of most weights first.
std::vector<std::string> kernel_names(const Model& model, Isa isa);

}  // namespace nibble
