#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "runtime/model.h"

namespace nibble {

/// What the machine can do at most with a number of threads: the limits of decode (every weight is read
/// once per token) and of prefill (every weight is multiplied once per token).
struct Roofs {
  int threads = 0;
  double read_bytes_per_s = 0;
  double int8_ops_per_s = 0;   ///< a product and its addition are two
  double float_ops_per_s = 0;  ///< the same in float32
};

/// Measures the pool's active threads for about a second: the best of several passes over a buffer much
/// larger than the caches, and of several runs of the selected instruction set's products in registers.
Roofs measure_roofs(ThreadPool& pool);

/// Measures 1, 2, 4, ... threads and all of the default ones; with threads > 0, that number alone. In a
/// process of its own, so that the buffer does not count as this one's memory: to be called while the
/// process has one thread. Throws Error when there can be no process.
std::vector<Roofs> measure_roof_steps(int threads, Affinity affinity);

/// The best of each figure, and the largest number of threads.
Roofs highest(std::span<const Roofs> steps);

/// The weights that one forward pass works through.
struct WeightTraffic {
  struct Operations {
    uint64_t layers = 0;  ///< for a token: two per weight
    uint64_t output = 0;  ///< for a row of logits
  };
  uint64_t bytes = 0;        ///< as in the file, the output matrix included
  Operations int8, float32;  ///< by what the kernels multiply
};
WeightTraffic weight_traffic(const Model& model);
/// Calls visit for the matrices of all layers, and then for the output matrix.
void for_each_matrix(const Model& model, FunctionRef<void(const Linear&)> visit);

/// Seconds in which the pool's active threads read the packed weights once, as plainly as measure_roofs reads
/// its buffer. A decoded token can't take less; measured between runs, it follows a machine whose speed
/// drifts. 0 for a model without packed weights.
double seconds_to_read(const Model& model, ThreadPool& pool);

/// The shortest time in which the roofs allow a pass over `tokens` tokens with `logits` rows of logits:
/// the longer of reading the weights once and of multiplying (the roofline model, Williams et al. 2009).
double roofline_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits);

}  // namespace nibble
