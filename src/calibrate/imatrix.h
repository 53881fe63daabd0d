#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "calibrate/calibration_data.h"
#include "calibrate/run_state.h"
#include "model/checkpoint.h"

namespace nibble {

/// By tensor name, the mean of x^2 of each channel of its input: how much an error in that column matters.
using Importance = std::map<std::string, std::vector<float>>;

/// llama.cpp's importance matrix: per tensor the sums of x^2 over so many inputs.
struct Imatrix {
  struct Entry {
    std::vector<float> sums;  ///< [cols]
    float count = 0;
  };
  std::map<std::string, Entry> entries;
  std::vector<std::string> datasets;         ///< what it was calibrated with
  uint32_t chunk_count = 0, chunk_size = 0;  ///< sequences, and tokens of each

  Importance importance() const;
};

/// Runs the text through the model, layer by layer, with its weights as they are. The output matrix has its
/// entry under the name of its tensor: token_embd.weight when it is tied. With a state, goes on where an
/// interrupted run stopped; it is for the caller to remove once the result is written.
Imatrix collect_imatrix(const Checkpoint& checkpoint, const CalibrationData& data, ThreadPool& pool,
                        RunState* state = nullptr);

/// Reads llama.cpp's GGUF form (general.type = imatrix, tensors NAME.in_sum2 and NAME.counts) or its older
/// binary form (.dat). Throws Error naming the file and what is wrong in it: the entry, and the offset in the
/// binary form; values must be finite and not negative. Experts' matrices, which nibble has not, are refused.
Imatrix read_imatrix(const std::filesystem::path& path);

/// Writes the GGUF form, or the binary one when the file is named .dat.
void write_imatrix(const Imatrix& imatrix, const std::filesystem::path& path);

}  // namespace nibble
