#include "base/numa.h"

#include "base/topology.h"

namespace nibble {

bool interleave_pages(void* data, size_t bytes) {
  const CorePlan& plan = machine_cores();
  if (plan.nodes.size() < 2) return false;
  hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
  for (const unsigned node : plan.nodes) hwloc_bitmap_set(nodes, node);
  const int status = hwloc_set_area_membind(machine_topology(), data, bytes, nodes, HWLOC_MEMBIND_INTERLEAVE,
                                            HWLOC_MEMBIND_BYNODESET);
  hwloc_bitmap_free(nodes);
  return status == 0;
}

}  // namespace nibble
