#pragma once

#include <cstddef>

namespace nibble {

/// Spreads the pages of memory that nobody has touched yet over the NUMA nodes near this process's cores,
/// page by page in turn: every thread then reads from all nodes alike, and their bandwidths add up, however
/// the rows fall to threads. Pages touched by one loading thread would all lie on its node. `data` begins
/// on a page. Returns whether it did: not on machines with one node, where there is nothing to spread.
bool interleave_pages(void* data, size_t bytes);

}  // namespace nibble
