#pragma once

#include <optional>

#include "kernels/registry.h"

namespace nibble {

/// A row of the table with its kernel compiled against an emulation of the instructions, which needs AVX2;
/// nothing for rows of AVX2 and the reference. For tests.
std::optional<KernelEntry> emulated_kernel(const KernelEntry& entry);

}  // namespace nibble
