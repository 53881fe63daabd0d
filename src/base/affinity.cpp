#include "base/affinity.h"

#include "base/topology.h"

namespace nibble {

std::vector<std::vector<unsigned>> plan_binding(const CorePlan& plan, int threads, Affinity affinity) {
  std::vector<std::vector<unsigned>> binding;
  if (affinity == Affinity::none || size_t(threads) != plan.cores.size()) return binding;
  for (const Core& core : plan.cores) binding.push_back(core.cpus);
  return binding;
}

void bind_this_thread(std::span<const unsigned> cpus) {
  const hwloc_topology_t topology = machine_topology();
  if (topology == nullptr || cpus.empty()) return;
  hwloc_bitmap_t set = hwloc_bitmap_alloc();
  for (const unsigned cpu : cpus) hwloc_bitmap_set(set, cpu);
  hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD);
  hwloc_bitmap_free(set);
}

std::vector<unsigned> this_thread_binding() {
  std::vector<unsigned> cpus;
  const hwloc_topology_t topology = machine_topology();
  if (topology == nullptr) return cpus;
  hwloc_bitmap_t set = hwloc_bitmap_alloc();
  if (hwloc_get_cpubind(topology, set, HWLOC_CPUBIND_THREAD) == 0) cpus = bitmap_indices(set);
  hwloc_bitmap_free(set);
  return cpus;
}

}  // namespace nibble
