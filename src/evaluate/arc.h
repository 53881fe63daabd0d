#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "evaluate/arc_data.h"
#include "evaluate/statistics.h"

namespace nibble {

enum class ArcStyle {
  /// lm-evaluation-harness: context "Question: {stem}\nAnswer:", continuation " {choice}", tokenized
  /// together and split at the length of the tokenized context.
  continuation,
  /// A chat turn that lists "A. ..." to "E. ..." and asks for the letter; the answer is the letter with
  /// the largest log-probability.
  letter,
};
std::string_view arc_style_name(ArcStyle style);
/// Throws UsageError for another name.
ArcStyle arc_style_from_name(std::string_view name);

/// What a model said to one question.
struct ArcAnswer {
  std::vector<double> log_likelihoods;  ///< of each choice: the sum over its tokens
  size_t pred = 0;                      ///< the largest; the first of equals
  size_t pred_norm = 0;                 ///< the largest divided by the choice's length in characters
};

/// Accuracy over some questions.
struct ArcScore {
  std::string set;  ///< empty: all together
  uint64_t n = 0, correct = 0, correct_norm = 0;
  Estimate acc() const { return proportion_estimate(correct, n); }
  Estimate acc_norm() const { return proportion_estimate(correct_norm, n); }
};

struct ArcResult {
  std::vector<ArcAnswer> answers;  ///< one per question, in their order
  ArcScore all;
  std::vector<ArcScore> sets;  ///< in the order in which the sets appear
};

/// The tokens of a question's context and of its choices. Throws Error naming the question when a choice
/// adds no token of its own.
ScoreRequest arc_request(const Engine& engine, const ArcQuestion& question, ArcStyle style);

/// The answer that follows from the sums of log-probabilities. `style` letter compares letters, all of
/// one length.
ArcAnswer arc_answer(const ArcQuestion& question, std::vector<double> log_likelihoods, ArcStyle style);

/// Totals over all questions and for each set.
ArcResult arc_totals(const std::vector<ArcQuestion>& questions, std::vector<ArcAnswer> answers);

/// Asks the model all the questions, with progress.
ArcResult evaluate_arc(Engine& engine, const std::vector<ArcQuestion>& questions, ArcStyle style);

}  // namespace nibble
