#pragma once

#include <hwloc.h>

#include <vector>

/// Cores and memory nodes, as hwloc finds them.
namespace nibble {

/// A physical core.
struct Core {
  std::vector<unsigned> cpus;  ///< its logical processors, by the system's numbers
  unsigned node = 0;           ///< the NUMA node whose memory is nearest
};

struct CorePlan {
  /// In the order in which a pool's threads take them: nodes take turns, so that few threads use the
  /// memory of all.
  std::vector<Core> cores;
  std::vector<unsigned> nodes;  ///< nearest to some core, ascending
};

std::vector<unsigned> bitmap_indices(hwloc_const_bitmap_t set);

/// The plan for a topology. Where hwloc knows no cores, each logical processor counts as one.
CorePlan plan_cores(hwloc_topology_t topology);

/// This machine, restricted to the processors that this process may run on (containers and taskset). Read
/// once; null where hwloc can't tell.
hwloc_topology_t machine_topology();

/// The plan for machine_topology(); empty where that is null.
const CorePlan& machine_cores();

}  // namespace nibble
