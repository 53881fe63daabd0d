#pragma once

#include <string>

#include "evaluate/comparison.h"

namespace nibble {

/// The comparison as one page that needs nothing else: table, plots, what was run. Light and dark as the
/// reader's system asks, and readable on a phone.
std::string html_report(const Comparison& comparison);

}  // namespace nibble
