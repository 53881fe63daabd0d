#include "sampling/processors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_map>

#include "base/error.h"

namespace nibble {

namespace {

float largest_score(const Candidates& candidates) {
  float best = -std::numeric_limits<float>::infinity();
  for (const Candidate& c : candidates) best = std::max(best, c.score);
  return best;
}

/// The k-th largest of the scores. For few of many a heap of k sees almost every score only once.
float kth_largest(std::span<const float> scores, size_t k) {
  constexpr size_t kHeapLimit = 1024;
  std::vector<float> sorted;
  if (k <= kHeapLimit) {
    sorted.resize(k);
    std::partial_sort_copy(scores.begin(), scores.end(), sorted.begin(), sorted.end(), std::greater<>());
  } else {
    sorted.assign(scores.begin(), scores.end());
    std::nth_element(sorted.begin(), sorted.begin() + ptrdiff_t(k - 1), sorted.end(), std::greater<>());
  }
  return sorted[k - 1];
}

struct Ranked {
  uint32_t index;  ///< into the candidates
  float key;
};

/// Visits indices in the order of `before` until visit returns false. Sorts piece by piece, as usually
/// few are visited.
template <typename Before, typename Visit>
void visit_in_order(std::vector<Ranked>& ranked, Before before, Visit visit) {
  size_t sorted = 0;
  for (size_t piece = 256; sorted < ranked.size(); piece *= 4) {
    const size_t end = std::min(ranked.size(), sorted + piece);
    const auto first = ranked.begin() + ptrdiff_t(sorted), last = ranked.begin() + ptrdiff_t(end);
    if (end < ranked.size()) std::nth_element(first, last - 1, ranked.end(), before);
    std::sort(first, last, before);
    for (auto it = first; it != last; ++it) {
      if (!visit(*it)) return;
    }
    sorted = end;
  }
}

/// Keeps the marked candidates, in their order.
void keep_marked(Candidates& candidates, const std::vector<uint8_t>& keep) {
  size_t kept = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (keep[i]) candidates[kept++] = candidates[i];
  }
  candidates.resize(kept);
}

/// Keeps the candidates of at least this weight, and the best ones whatever theirs is.
void keep_probable(Candidates& candidates, const std::vector<double>& weights, double smallest_weight) {
  const float best = largest_score(candidates);
  std::vector<uint8_t> keep(candidates.size());
  for (size_t i = 0; i < keep.size(); ++i) {
    keep[i] = weights[i] >= smallest_weight || candidates[i].score == best;
  }
  keep_marked(candidates, keep);
}

/// -sum p log p, in nats. log p = score - best - log(sum of exponentials).
double entropy(const Candidates& candidates, const std::vector<double>& weights, double sum) {
  const double best = largest_score(candidates), log_sum = std::log(sum);
  double total = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) total -= weights[i] / sum * (candidates[i].score - best - log_sum);
  }
  return total;
}

/// Scores side by side, so that the compiler takes several at once.
constexpr size_t kLanes = 16;

/// The largest of them; `bad` when one is NaN or positive infinity.
float largest_of(std::span<const float> scores, bool& bad) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::array<float, kLanes> best;
  std::array<int32_t, kLanes> wrong{};
  best.fill(-kInfinity);
  size_t i = 0;
  for (; i + kLanes <= scores.size(); i += kLanes) {
    const float* s = &scores[i];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      wrong[lane] |= s[lane] < kInfinity ? 0 : 1;
      best[lane] = s[lane] > best[lane] ? s[lane] : best[lane];
    }
  }
  for (; i < scores.size(); ++i) {
    wrong[0] |= scores[i] < kInfinity ? 0 : 1;
    best[0] = std::max(best[0], scores[i]);
  }
  bad = std::ranges::any_of(wrong, [](int32_t w) { return w != 0; });
  return *std::max_element(best.begin(), best.end());
}

void check_scores(std::span<const float> scores) {
  bool bad = false;
  if (std::isinf(largest_of(scores, bad)) || bad) {
    fail(
        "the model's scores for the next token are not finite: its weights are damaged, or outside of what "
        "this format can hold; check the file, or try a wider type");
  }
}

void check_token(int32_t id, size_t vocab) {
  if (id < 0 || size_t(id) >= vocab) fail("token {} is outside of the vocabulary of {} tokens", id, vocab);
}

/// Subtracts log(sum of exponentials), in double: the sum of many small ones counts.
void log_normalize(std::span<float> scores) {
  const double best = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const float s : scores) sum += std::exp(s - best);
  const double log_sum = best + std::log(sum);
  for (float& s : scores) s = float(s - log_sum);
}

}  // namespace

double exponentials(const Candidates& candidates, std::vector<double>& out) {
  const float best = largest_score(candidates);
  out.resize(candidates.size());
  double sum = 0;
  for (size_t i = 0; i < out.size(); ++i) sum += out[i] = std::exp(double(candidates[i].score) - best);
  return sum;
}

int32_t argmax(std::span<const float> values) {
  bool bad = false;
  const float best = largest_of(values, bad);
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    int32_t found = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) found |= values[i + lane] == best ? 1 : 0;
    if (found != 0) break;
  }
  while (i < values.size() && values[i] != best) ++i;
  return i < values.size() ? int32_t(i) : 0;
}

void apply_repetition_penalty(std::span<float> scores, std::span<const int32_t> history, float penalty) {
  std::vector<bool> seen(scores.size());
  for (const int32_t id : history) {
    check_token(id, scores.size());
    if (seen[size_t(id)]) continue;
    seen[size_t(id)] = true;
    float& s = scores[size_t(id)];
    s = s < 0 ? s * penalty : s / penalty;
  }
}

void apply_count_penalties(std::span<float> scores, std::span<const int32_t> answer, float presence,
                           float frequency) {
  std::unordered_map<int32_t, uint32_t> counts;
  for (const int32_t id : answer) {
    check_token(id, scores.size());
    ++counts[id];
  }
  for (const auto& [id, count] : counts) scores[size_t(id)] -= presence + frequency * float(count);
}

void apply_logit_bias(std::span<float> scores, std::span<const std::pair<int32_t, float>> bias) {
  for (const auto& [id, value] : bias) {
    check_token(id, scores.size());
    scores[size_t(id)] += value;
  }
}

void apply_mask(std::span<float> scores, std::span<const uint64_t> allowed) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  bool left = false;
  for (size_t first = 0; first < scores.size(); first += 64) {
    const uint64_t word = first / 64 < allowed.size() ? allowed[first / 64] : 0;
    const std::span<float> part = scores.subspan(first, std::min<size_t>(64, scores.size() - first));
    for (size_t i = 0; i < part.size(); ++i) {
      if ((word >> i & 1) == 0) part[i] = kNever;
    }
    if (word != 0) left |= std::ranges::any_of(part, [](float s) { return s > kNever; });
  }
  if (!left) fail("no token of the vocabulary can continue what the grammar asks for: change the grammar");
}

void apply_temperature(std::span<float> scores, float temperature) {
  // Softmax does not see the shift, and a tiny temperature can't overflow.
  bool bad = false;
  const float best = largest_of(scores, bad);
  for (float& s : scores) s = (s - best) / temperature;
}

Candidates top_k_candidates(std::span<const float> scores, int k) {
  const bool all = k == 0 || size_t(k) >= scores.size();
  const float smallest = all ? -std::numeric_limits<float>::infinity() : kth_largest(scores, size_t(k));
  Candidates candidates;
  candidates.reserve(all ? scores.size() : size_t(k));
  for (size_t i = 0; i < scores.size(); ++i) {
    // Tokens that a mask took out are no candidates, even where fewer than k are left.
    if (scores[i] >= smallest && !std::isinf(scores[i])) candidates.push_back({int32_t(i), scores[i]});
  }
  return candidates;
}

void apply_top_p(Candidates& candidates, float top_p) {
  std::vector<double> weights;
  const double wanted = double(top_p) * exponentials(candidates, weights);
  std::vector<Ranked> ranked(candidates.size());
  for (uint32_t i = 0; i < ranked.size(); ++i) ranked[i] = {i, candidates[i].score};
  std::vector<uint8_t> keep(candidates.size());
  double mass = 0;
  const auto before = [](const Ranked& a, const Ranked& b) {
    return a.key != b.key ? a.key > b.key : a.index > b.index;
  };
  visit_in_order(ranked, before, [&](const Ranked& r) {
    keep[r.index] = 1;
    mass += weights[r.index];
    return mass < wanted;
  });
  keep_marked(candidates, keep);
}

void apply_min_p(Candidates& candidates, float min_p) {
  std::vector<double> weights;
  exponentials(candidates, weights);
  keep_probable(candidates, weights, min_p);
}

void apply_typical_p(Candidates& candidates, float typical_p) {
  std::vector<double> weights;
  const double sum = exponentials(candidates, weights);
  const double expected = entropy(candidates, weights, sum);
  const double log_total = largest_score(candidates) + std::log(sum);
  std::vector<Ranked> ranked(candidates.size());
  for (uint32_t i = 0; i < ranked.size(); ++i) {
    ranked[i] = {i, float(std::abs(log_total - candidates[i].score - expected))};
  }
  std::vector<uint8_t> keep(candidates.size());
  double mass = 0;
  float last_key = std::numeric_limits<float>::infinity();
  const auto before = [](const Ranked& a, const Ranked& b) {
    return a.key != b.key ? a.key < b.key : a.index < b.index;
  };
  visit_in_order(ranked, before, [&](const Ranked& r) {
    if (r.key > last_key) return false;
    keep[r.index] = 1;
    mass += weights[r.index] / sum;
    if (mass >= double(typical_p)) last_key = std::min(last_key, r.key);
    return true;
  });
  keep_marked(candidates, keep);
}

void apply_epsilon_cutoff(Candidates& candidates, float epsilon) {
  std::vector<double> weights;
  const double sum = exponentials(candidates, weights);
  keep_probable(candidates, weights, double(epsilon) * sum);
}

void apply_eta_cutoff(Candidates& candidates, float epsilon) {
  std::vector<double> weights;
  const double sum = exponentials(candidates, weights);
  const double eta =
      std::min(double(epsilon), std::sqrt(double(epsilon)) * std::exp(-entropy(candidates, weights, sum)));
  keep_probable(candidates, weights, eta * sum);
}

void apply_penalties(const SamplingParams& params, std::span<float> scores, const TokenContext& context) {
  if (params.repetition_penalty != 1) {
    apply_repetition_penalty(scores, context.history, params.repetition_penalty);
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    apply_count_penalties(scores, context.history.subspan(context.prompt_tokens), params.presence_penalty,
                          params.frequency_penalty);
  }
  apply_logit_bias(scores, params.logit_bias);
  check_scores(scores);
  if (!context.allowed.empty()) apply_mask(scores, context.allowed);
}

Candidates process_scores(const SamplingParams& params, std::span<float> scores,
                          const TokenContext& context) {
  apply_penalties(params, scores, context);
  if (params.greedy) {
    const int32_t best = argmax(scores);
    return {{best, scores[size_t(best)]}};
  }
  if (params.temperature != 1) apply_temperature(scores, params.temperature);
  Candidates candidates = top_k_candidates(scores, params.top_k);
  if (params.top_p < 1) apply_top_p(candidates, params.top_p);
  if (params.min_p > 0) apply_min_p(candidates, params.min_p);
  if (params.typical_p < 1) apply_typical_p(candidates, params.typical_p);
  if (params.epsilon_cutoff > 0) apply_epsilon_cutoff(candidates, params.epsilon_cutoff);
  if (params.eta_cutoff > 0) apply_eta_cutoff(candidates, params.eta_cutoff);
  return candidates;
}

void to_log_probabilities(const SamplingParams& params, std::span<float> scores,
                          const TokenContext& context) {
  if (params.greedy) {
    apply_penalties(params, scores, context);
  } else {
    const Candidates candidates = process_scores(params, scores, context);
    std::ranges::fill(scores, -std::numeric_limits<float>::infinity());
    for (const Candidate& c : candidates) scores[size_t(c.id)] = c.score;
  }
  log_normalize(scores);
}

}  // namespace nibble
