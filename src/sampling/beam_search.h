#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "sampling/beam_params.h"

namespace nibble {

/// A running answer of a beam search.
struct Beam {
  std::vector<int32_t> tokens;  ///< the answer so far; the last one is this step's
  std::vector<uint32_t> rows;   ///< [tokens], of its step's rows the one that each token was chosen from
  double sum;                   ///< of the tokens' log-probabilities, less what diversity took

  uint32_t parent() const { return rows.back(); }  ///< which beam of the step before it continues
};

struct BeamAnswer {
  std::vector<int32_t> tokens;  ///< the one that ended it included
  std::vector<uint32_t> rows;   ///< as a beam's
  double score;                 ///< sum / length^length_penalty
  bool ended;                   ///< by its last token; else the search stopped there
};

/// Beam search as Hugging Face's `generate` defines it; with groups, diverse beam search (Vijayakumar et al.,
/// arXiv 1610.02424). Knows no model: it is fed the log-probabilities of what may follow each beam, and says
/// which beams go on.
///
/// A step looks at the max(2, 1 + end tokens) * beams best continuations of a group. Those that end their
/// answer are complete when they are among the first `beams` of them; the best of the others go on. Of
/// equal ones that of the earlier beam and then of the smaller id comes first. Groups take turns within a
/// step: diversity_penalty times the number of earlier groups' beams that chose a token is subtracted from
/// its log-probability.
class BeamSearch {
 public:
  /// True when the token ends the answer of this beam: an end token, or the end of a stop string.
  using Ends = std::function<bool(const Beam& beam, int32_t token)>;

  /// `end_tokens`: how many tokens of the vocabulary end an answer. With a seed continuations are drawn
  /// without replacement by their probabilities (`generate` with do_sample) instead of taking the best.
  BeamSearch(const BeamParams& params, uint32_t max_new_tokens, size_t end_tokens,
             std::optional<uint64_t> seed = {});

  /// Takes a step. `rows` [beams().size(), vocab]: log-probabilities, minus infinity for what may not
  /// follow; for the first step the one row [1, vocab] after the prompt. `ends` is asked once or more for
  /// each token that goes on or completes an answer, with the beam of beams() that it follows.
  void advance(std::span<const float> rows, size_t vocab, const Ends& ends);
  /// That go on, in the order of the next step's rows; none when the search is done. Before the first step
  /// the one empty beam of the prompt.
  std::span<const Beam> beams() const { return beams_; }
  bool done() const { return beams_.empty(); }
  /// The num_return_sequences best answers, best first: with the running ones as they are when the search
  /// is not done, fewer when there are not so many.
  std::vector<BeamAnswer> answers() const;

 private:
  /// A continuation of beam `row`.
  struct Continuation {
    double key;  ///< what it is chosen by
    double sum;
    uint32_t row;
    int32_t token;
  };
  struct Group {
    size_t first = 0, count = 1;      ///< its running beams
    std::vector<BeamAnswer> answers;  ///< complete ones, at most as many as the group has beams
    double worst = std::numeric_limits<double>::infinity();  ///< of their scores
    bool done = false;
  };

  uint32_t group_size() const { return params_.num_beams / params_.num_beam_groups; }
  std::vector<Continuation> best_continuations(const Group& group, std::span<const float> rows, size_t vocab,
                                               const std::vector<float>& penalties);
  void advance_group(Group& group, std::span<const Continuation> best, const Ends& ends,
                     std::vector<float>& penalties, std::vector<Beam>& next);
  bool cannot_improve(const Group& group, double best_sum) const;
  double score(double sum, size_t length) const;
  BeamAnswer complete(Beam beam, bool ended) const;
  void add_answer(Group& group, BeamAnswer answer) const;

  BeamParams params_;
  size_t max_new_tokens_, kept_;  ///< kept_: continuations that a group looks at
  size_t length_ = 0;             ///< tokens of the running answers
  std::vector<Group> groups_;
  std::vector<Beam> beams_;
  std::optional<std::mt19937_64> random_;
};

}  // namespace nibble
