#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sampling/sampling_params.h"

/// Hugging Face's logits processors, one function each, in the order in which `generate` applies them.
/// Each works on the softmax of what the one before left, and each leaves at least one token.
namespace nibble {

/// A token that may still be chosen.
struct Candidate {
  int32_t id;
  float score;
};

/// In the order of their ids, whatever was taken out: the draw depends on it.
using Candidates = std::vector<Candidate>;

/// Every distinct token of `history` once: s < 0 ? s * penalty : s / penalty (CTRL, arXiv 1909.05858).
void apply_repetition_penalty(std::span<float> scores, std::span<const int32_t> history, float penalty);
/// presence + frequency * count subtracted from each distinct token of the answer (OpenAI's API).
void apply_count_penalties(std::span<float> scores, std::span<const int32_t> answer, float presence,
                           float frequency);
/// Throws Error for a token outside of the vocabulary.
void apply_logit_bias(std::span<float> scores, std::span<const std::pair<int32_t, float>> bias);
/// Minus infinity for every token whose bit is not set: token t is bit t % 64 of word t / 64. Tokens
/// beyond the words are not allowed. Throws Error when no token with a finite score is left.
void apply_mask(std::span<float> scores, std::span<const uint64_t> allowed);
void apply_temperature(std::span<float> scores, float temperature);
/// The tokens whose score is at least the k-th largest, so that ties with it stay; all when k is 0.
Candidates top_k_candidates(std::span<const float> scores, int k);
/// The fewest most probable tokens whose probabilities reach top_p (nucleus, arXiv 1904.09751). Of equal
/// tokens those with the higher ids stay, as with an ascending stable sort.
void apply_top_p(Candidates& candidates, float top_p);
/// Tokens at least min_p times as probable as the best one (arXiv 2407.01082).
void apply_min_p(Candidates& candidates, float min_p);
/// The tokens whose information lies nearest to the entropy, until their probabilities reach typical_p
/// (locally typical sampling, arXiv 2202.00666). Ties with the last one stay.
void apply_typical_p(Candidates& candidates, float typical_p);
/// Tokens of at least this probability, and the best (arXiv 2210.15191).
void apply_epsilon_cutoff(Candidates& candidates, float epsilon);
/// Tokens of at least min(epsilon, sqrt(epsilon) * exp(-entropy)), and the best (arXiv 2210.15191).
void apply_eta_cutoff(Candidates& candidates, float epsilon);

/// What stands before a token, and what it may be.
struct TokenContext {
  std::span<const int32_t> history;     ///< the prompt and the answer so far
  size_t prompt_tokens = 0;             ///< how many of history are the prompt
  std::span<const uint64_t> allowed{};  ///< as apply_mask's; empty: every token
};

/// What greedy decoding and beams need: the penalties, the bias and the mask. `scores` [vocab] is changed.
/// Throws Error when a score is NaN or positive infinity, or none is finite.
void apply_penalties(const SamplingParams& params, std::span<float> scores, const TokenContext& context);

/// All of them as the parameters ask; for greedy decoding the best token after apply_penalties. `scores`
/// [vocab] is changed. Throws as apply_penalties.
Candidates process_scores(const SamplingParams& params, std::span<float> scores, const TokenContext& context);

/// Turns the scores [vocab] into the natural logarithms of the probabilities that the processors leave,
/// minus infinity for the tokens they take out: a row for BeamSearch. Greedy: after apply_penalties.
void to_log_probabilities(const SamplingParams& params, std::span<float> scores, const TokenContext& context);

/// exp(score - largest score) of each candidate, and their sum.
double exponentials(const Candidates& candidates, std::vector<double>& out);

/// The index of the largest value, the first of equal ones.
int32_t argmax(std::span<const float> values);

}  // namespace nibble
