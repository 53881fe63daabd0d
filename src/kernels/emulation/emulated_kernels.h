#pragma once

#include <optional>

#include "kernels/registry.h"

namespace nibble {

/// A row of the table with its kernel compiled against an emulation of the instructions, which needs AVX2;
/// nothing for rows of AVX2 and the reference, and where the build has no emulation. For tests.
#ifdef NIBBLE_EMULATION
std::optional<KernelEntry> emulated_kernel(const KernelEntry& entry);
#else
inline std::optional<KernelEntry> emulated_kernel(const KernelEntry&) {
  return std::nullopt;
}
#endif

}  // namespace nibble
