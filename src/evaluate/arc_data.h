#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

struct ArcChoice {
  std::string label, text;
};

/// A question of the AI2 Reasoning Challenge (Clark et al. 2018, arXiv 1803.05457).
struct ArcQuestion {
  std::string set;  ///< "ARC-Easy", "ARC-Challenge", or the name of the file
  std::string id, stem;
  std::vector<ArcChoice> choices;  ///< 3 to 5
  size_t gold = 0;                 ///< index of the right one
};

/// What a choice goes on from, after a space (ArcStyle::continuation).
std::string arc_context(const ArcQuestion& question);

/// Questions, and where they are from.
struct ArcData {
  std::string source;  ///< as it is shown to the user: a path, or "bundled science questions"
  std::vector<ArcQuestion> questions;
};

/// Reads one question a line: {"id", "question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}.
/// Throws Error with `name` and the line where something is wrong.
std::vector<ArcQuestion> parse_arc(std::string_view jsonl, const std::string& name, const std::string& set);

/// A .jsonl file, or a directory with ARC-Easy-Test.jsonl and ARC-Challenge-Test.jsonl, itself or in its
/// folder arc/. Throws Error naming the path.
ArcData load_arc(const std::filesystem::path& path);

/// Where texts and questions are looked for when none is named: NIBBLE_DATA, by default ../shared/data.
std::filesystem::path data_folder();

/// `path` when given; else the two test files in data_folder() or its folder arc/; where they are not, the
/// questions that nibble brings along.
ArcData find_arc(const std::optional<std::filesystem::path>& path);

/// A sample of `limit` questions that is the same for every model and machine: per set in proportion to
/// its size, those whose ids have the smallest hashes with the seed. Keeps the order of the questions.
/// limit = 0, or more than there are, keeps all.
std::vector<ArcQuestion> sample_arc(const std::vector<ArcQuestion>& questions, uint64_t limit, uint64_t seed);

/// "100 of 3,546 questions, seed 0" or "all 3,546 questions".
std::string describe_sample(size_t sampled, size_t total, uint64_t seed);

}  // namespace nibble
