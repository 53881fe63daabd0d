#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "runtime/model.h"

namespace nibble {

/// What the machine can do at most with the threads given: the limits of decode (every weight is read
/// once per token) and of prefill (every weight is multiplied once per token).
struct Roofs {
  double read_bytes_per_s = 0;
  double int8_ops_per_s = 0;  ///< a product and its addition are two
};

/// Measures for about a second: the best of several passes over a buffer much larger than the caches, and
/// of several runs of the selected instruction set's int8 products in registers.
Roofs measure_roofs(ThreadPool& pool);

/// The weights that one forward pass works through.
struct WeightTraffic {
  uint64_t bytes = 0;       ///< as in the file, the output matrix included
  uint64_t layer_ops = 0;   ///< for a token: two per weight of the layers
  uint64_t output_ops = 0;  ///< for a row of logits
};
WeightTraffic weight_traffic(const Model& model);

/// The shortest time in which the roofs allow a pass over `tokens` tokens with `logits` rows of logits:
/// the longer of reading the weights once and of multiplying (the roofline model, Williams et al. 2009).
double roofline_seconds(const Roofs& roofs, const WeightTraffic& traffic, uint64_t tokens, uint64_t logits);

}  // namespace nibble
