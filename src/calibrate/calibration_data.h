#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace nibble {

/// What text calibration reads, and how much of it.
struct CalibrationOptions {
  std::string source = "self";  ///< a file, a directory with ARC, or "self" (calibrate/self_text.h)
  uint32_t sequences = 32;
  uint32_t tokens = 512;  ///< of each sequence
  bool from_model() const { return source == "self"; }
};

/// The tokens that a calibration runs through the model.
struct CalibrationData {
  std::string source;                           ///< for metadata and messages
  std::vector<std::vector<int32_t>> sequences;  ///< all of the same length
  uint64_t tokens() const { return sequences.empty() ? 0 : sequences.size() * sequences[0].size(); }
};

/// Cuts the sequences from a text, spread evenly over it. The source is
///   a text file;
///   JSON lines (.jsonl): the "text" of each, or an ARC question with its right answer;
///   a directory: the *-Train.jsonl files of ARC in it, in order of their names.
/// The first token of each sequence is the begin token where the vocabulary asks for one. Throws Error
/// naming the file when it can't be read or its text is too short, saying how much there is and is needed.
CalibrationData read_calibration(const CalibrationOptions& options, const Tokenizer& tokenizer);

}  // namespace nibble
