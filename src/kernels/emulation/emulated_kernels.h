#pragma once

#include <optional>

#include "kernels/registry.h"

namespace nibble {

/// An AVX-512 row of the table with its kernel compiled against an emulation of the instructions, which
/// needs AVX2; nothing for other rows. For tests.
std::optional<KernelEntry> emulated_kernel(const KernelEntry& entry);

}  // namespace nibble
