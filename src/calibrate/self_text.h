#pragma once

#include <cstdint>
#include <memory>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "model/checkpoint.h"

namespace nibble {

/// Calibration text that the model itself writes, so that nothing needs downloading: data-free calibration
/// as in LLM-QAT (Liu et al. 2023, arXiv 2305.17888, section 3.1). Each sequence begins with the begin token,
/// where the vocabulary asks for one, and a random token; the next few are the most probable ones, which
/// make a plausible beginning of it, and the others are sampled at temperature 1. After an end token the next
/// text begins in the same way.
///
/// The same seed gives the same text on every number of threads. Holds the whole model's weights while it
/// writes. Throws Error when a sequence is longer than the model's context.
CalibrationData generate_calibration(std::shared_ptr<const Checkpoint> checkpoint,
                                     const Vocabulary& vocabulary, const CalibrationOptions& options,
                                     uint64_t seed, ThreadPool& pool);

}  // namespace nibble
