#pragma once

#include <span>
#include <vector>

/// Which cores the threads of a pool run on.
namespace nibble {

struct CorePlan;

enum class Affinity {
  /// The system places them, as with OpenMP and llama.cpp unless asked: it sees what else runs, moves a
  /// thread off a core that somebody else needs, and puts two processes of one thread on two cores. On
  /// two cores binding gained nothing where the machine was idle, and cost a third of decode's speed beside
  /// a busy process.
  none,
  /// Each thread on a core of its own, if the pool has exactly as many threads as there are cores that
  /// the process may use. With fewer, the choice of cores would be a guess that the next process repeats,
  /// and both would share the first ones: restrict the process instead (taskset, numactl), and bind.
  cores,
};

/// The logical processors of each thread, the caller's first; empty: nothing is bound.
std::vector<std::vector<unsigned>> plan_binding(const CorePlan& plan, int threads, Affinity affinity);

/// Binds the calling thread; without a topology or permission, nothing happens. Threads that it starts
/// afterwards inherit the binding.
void bind_this_thread(std::span<const unsigned> cpus);

/// The logical processors that the calling thread may run on; empty where unknown.
std::vector<unsigned> this_thread_binding();

}  // namespace nibble
