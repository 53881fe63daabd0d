#include "base/topology.h"

#include <algorithm>
#include <map>

namespace nibble {

namespace {

hwloc_topology_t load_machine() {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return nullptr;
  if (hwloc_topology_load(topology) != 0) {
    hwloc_topology_destroy(topology);
    return nullptr;
  }
  hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
  if (hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) == 0 && !hwloc_bitmap_iszero(allowed)) {
    hwloc_topology_restrict(topology, allowed, 0);
  }
  hwloc_bitmap_free(allowed);
  return topology;
}

}  // namespace

std::vector<unsigned> bitmap_indices(hwloc_const_bitmap_t set) {
  std::vector<unsigned> indices;
  for (int i = hwloc_bitmap_first(set); i >= 0; i = hwloc_bitmap_next(set, i)) indices.push_back(unsigned(i));
  return indices;
}

CorePlan plan_cores(hwloc_topology_t topology) {
  CorePlan plan;
  const bool knows_cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0;
  const hwloc_obj_type_t type = knows_cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
  std::map<unsigned, std::vector<Core>> of_node;
  for (hwloc_obj_t object = nullptr; (object = hwloc_get_next_obj_by_type(topology, type, object));) {
    // Several nodes may be local to a core (high-bandwidth memory, say): the first is the ordinary one.
    const int node = object->nodeset ? hwloc_bitmap_first(object->nodeset) : -1;
    of_node[unsigned(std::max(node, 0))].push_back(
        {bitmap_indices(object->cpuset), unsigned(std::max(node, 0))});
  }
  size_t most = 0;
  for (const auto& [node, cores] : of_node) {
    plan.nodes.push_back(node);
    most = std::max(most, cores.size());
  }
  for (size_t i = 0; i < most; ++i) {
    for (const auto& [node, cores] : of_node) {
      if (i < cores.size()) plan.cores.push_back(cores[i]);
    }
  }
  return plan;
}

hwloc_topology_t machine_topology() {
  static const hwloc_topology_t topology = load_machine();
  return topology;
}

const CorePlan& machine_cores() {
  static const CorePlan plan = machine_topology() ? plan_cores(machine_topology()) : CorePlan{};
  return plan;
}

}  // namespace nibble
