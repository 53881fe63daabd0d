#include "base/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>

#include <algorithm>
#include <cstring>

#include "base/affinity.h"
#include "base/cpu.h"
#include "base/numa.h"
#include "base/thread_pool.h"

namespace nibble {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A machine that hwloc makes up.
class Synthetic {
 public:
  explicit Synthetic(const char* description) {
    EXPECT_EQ(hwloc_topology_init(&topology_), 0);
    EXPECT_EQ(hwloc_topology_set_synthetic(topology_, description), 0);
    EXPECT_EQ(hwloc_topology_load(topology_), 0);
  }
  ~Synthetic() { hwloc_topology_destroy(topology_); }

  /// As taskset does.
  Synthetic& allow(unsigned first, unsigned last) {
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    hwloc_bitmap_set_range(set, first, int(last));
    EXPECT_EQ(hwloc_topology_restrict(topology_, set, 0), 0);
    hwloc_bitmap_free(set);
    return *this;
  }
  CorePlan plan() const { return plan_cores(topology_); }

 private:
  hwloc_topology_t topology_ = nullptr;
};

std::vector<unsigned> nodes_in_order(const CorePlan& plan) {
  std::vector<unsigned> nodes;
  for (const Core& core : plan.cores) nodes.push_back(core.node);
  return nodes;
}

TEST(Topology, CoresOfTheNodesTakeTurns) {
  const CorePlan plan = Synthetic("pack:2 [numa] core:3 pu:2").plan();
  EXPECT_THAT(plan.nodes, ElementsAre(0, 1));
  EXPECT_THAT(nodes_in_order(plan), ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(plan.cores[0].cpus, ElementsAre(0, 1));
  EXPECT_THAT(plan.cores[1].cpus, ElementsAre(6, 7));
  EXPECT_THAT(plan.cores[4].cpus, ElementsAre(4, 5));
}

TEST(Topology, OnlyAllowedProcessorsCount) {
  const CorePlan one_node = Synthetic("pack:2 [numa] core:4 pu:2").allow(2, 7).plan();
  EXPECT_THAT(one_node.nodes, ElementsAre(0));
  EXPECT_THAT(nodes_in_order(one_node), ElementsAre(0, 0, 0));
  // Half of a core is a core; the nodes have one and four.
  const CorePlan uneven = Synthetic("pack:2 [numa] core:4 pu:2").allow(7, 15).plan();
  EXPECT_THAT(nodes_in_order(uneven), ElementsAre(0, 1, 1, 1, 1));
  EXPECT_THAT(uneven.cores[0].cpus, ElementsAre(7));
}

TEST(Topology, WithoutCoresEachProcessorCounts) {
  const CorePlan plan = Synthetic("numa:2 pu:2").plan();
  EXPECT_THAT(nodes_in_order(plan), ElementsAre(0, 1, 0, 1));
}

TEST(Topology, OfThisMachineAgreesWithTheSystem) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  size_t cpus = 0;
  for (const Core& core : machine_cores().cores) {
    cpus += core.cpus.size();
    for (const unsigned cpu : core.cpus) EXPECT_TRUE(CPU_ISSET(cpu, &allowed));
  }
  EXPECT_EQ(cpus, size_t(CPU_COUNT(&allowed)));
  EXPECT_EQ(machine_cores().cores.size(), size_t(cpu_info().physical_cores));
}

TEST(Affinity, BindsOnlyAPoolThatTakesAllCores) {
  const CorePlan plan = Synthetic("pack:2 [numa] core:2 pu:2").plan();
  EXPECT_THAT(plan_binding(plan, 4, Affinity::none), IsEmpty());
  EXPECT_THAT(plan_binding(plan, 3, Affinity::cores), IsEmpty());
  EXPECT_THAT(plan_binding(plan, 8, Affinity::cores), IsEmpty());
  EXPECT_THAT(plan_binding(plan, 4, Affinity::cores),
              ElementsAre(ElementsAre(0, 1), ElementsAre(4, 5), ElementsAre(2, 3), ElementsAre(6, 7)));
}

TEST(Affinity, APoolBindsItsThreadsAndGivesTheCallerBack) {
  const auto before = this_thread_binding();
  const auto cores = machine_cores().cores;
  {
    ThreadPool pool(int(cores.size()), Affinity::cores);
    std::vector<std::vector<unsigned>> bound(cores.size());
    pool.run([&](int thread) { bound[size_t(thread)] = this_thread_binding(); });
    for (size_t i = 0; i < cores.size(); ++i) EXPECT_EQ(bound[i], cores[i].cpus);
  }
  EXPECT_EQ(this_thread_binding(), before);
  ThreadPool unbound(int(cores.size()));
  unbound.run([&](int) { EXPECT_EQ(this_thread_binding(), before); });
}

TEST(Numa, PagesAreSpreadWhereThereAreNodes) {
  constexpr size_t kBytes = size_t{1} << 20;
  void* pages = std::aligned_alloc(4096, kBytes);
  EXPECT_EQ(interleave_pages(pages, kBytes), machine_cores().nodes.size() > 1);
  std::memset(pages, 1, kBytes);
  std::free(pages);
}

}  // namespace
}  // namespace nibble
