#include "sampling/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nibble {

BeamSearch::BeamSearch(const BeamParams& params, uint32_t max_new_tokens, size_t end_tokens,
                       std::optional<uint64_t> seed)
    : params_(params), max_new_tokens_(max_new_tokens), groups_(params.num_beam_groups) {
  kept_ = std::max<size_t>(2, 1 + end_tokens) * group_size();
  beams_.push_back({{}, {}, 0});
  if (seed) random_.emplace(*seed);
}

double BeamSearch::score(double sum, size_t length) const {
  return sum / std::pow(double(length), double(params_.length_penalty));
}

BeamAnswer BeamSearch::complete(Beam beam, bool ended) const {
  const double ranked = score(beam.sum, beam.tokens.size());
  return {std::move(beam.tokens), std::move(beam.rows), ranked, ended};
}

void BeamSearch::add_answer(Group& group, BeamAnswer answer) const {
  if (group.answers.size() >= group_size() && answer.score <= group.worst) return;
  group.answers.push_back(std::move(answer));
  const auto worse = [](const BeamAnswer& a, const BeamAnswer& b) { return a.score < b.score; };
  if (group.answers.size() > group_size()) {
    group.answers.erase(std::min_element(group.answers.begin(), group.answers.end(), worse));
  }
  group.worst = std::min_element(group.answers.begin(), group.answers.end(), worse)->score;
}

std::vector<BeamSearch::Continuation> BeamSearch::best_continuations(const Group& group,
                                                                     std::span<const float> rows,
                                                                     size_t vocab,
                                                                     const std::vector<float>& penalties) {
  const auto better = [](const Continuation& a, const Continuation& b) {
    if (a.key != b.key) return a.key > b.key;
    return a.row != b.row ? a.row < b.row : a.token < b.token;
  };
  std::vector<Continuation> best;  // a heap with the worst one first
  for (size_t row = group.first; row < group.first + group.count; ++row) {
    const float* scores = &rows[row * vocab];
    for (size_t token = 0; token < vocab; ++token) {
      if (std::isinf(scores[token])) continue;
      const float penalty = penalties.empty() ? 0 : penalties[token];
      Continuation c{0, beams_[row].sum + double(scores[token] - penalty), uint32_t(row), int32_t(token)};
      c.key = c.sum;
      if (random_) {
        // The largest of sums with Gumbel noise are a draw without replacement (Kool et al., 2019).
        c.key -= std::log(-std::log((double((*random_)() >> 11) + 0.5) * 0x1p-53));
      }
      if (best.size() == kept_ && !better(c, best.front())) continue;
      if (best.size() == kept_) {
        std::pop_heap(best.begin(), best.end(), better);
        best.pop_back();
      }
      best.push_back(c);
      std::push_heap(best.begin(), best.end(), better);
    }
  }
  for (Continuation& c : best) c.key = c.sum;
  std::sort(best.begin(), best.end(), better);
  return best;
}

/// What a running beam could still reach beside the complete answers.
bool BeamSearch::cannot_improve(const Group& group, double best_sum) const {
  if (group.answers.size() < group_size()) return false;
  if (params_.early_stopping == EarlyStopping::on) return true;
  const bool longest = params_.early_stopping == EarlyStopping::never && params_.length_penalty > 0;
  return group.worst >= score(best_sum, longest ? max_new_tokens_ : length_);
}

void BeamSearch::advance_group(Group& group, std::span<const Continuation> best, const Ends& ends,
                               std::vector<float>& penalties, std::vector<Beam>& next) {
  const size_t first = next.size();
  for (size_t rank = 0; rank < best.size() && next.size() - first < group_size(); ++rank) {
    const Continuation& c = best[rank];
    Beam longer = beams_[c.row];
    longer.tokens.push_back(c.token);
    longer.rows.push_back(c.row);
    longer.sum = c.sum;
    if (!ends(beams_[c.row], c.token)) {
      next.push_back(std::move(longer));
    } else if (rank < group_size()) {
      add_answer(group, complete(std::move(longer), true));
    }
  }
  for (size_t i = first; i < next.size() && !penalties.empty(); ++i) {
    penalties[size_t(next[i].tokens.back())] += params_.diversity_penalty;
  }
  const bool goes_on = next.size() > first;
  // `generate` judges a search by the best beam that goes on, and groups by the best continuation.
  const double best_sum = params_.num_beam_groups > 1 || !goes_on ? best.front().sum : next[first].sum;
  group.done = !goes_on || cannot_improve(group, best_sum);
  if (!group.done && length_ == max_new_tokens_) {
    for (size_t i = first; i < next.size(); ++i) {
      add_answer(group, complete(next[i], false));
    }
    group.done = true;
  }
  if (group.done) next.resize(first);
  group.first = first;
  group.count = next.size() - first;
}

void BeamSearch::advance(std::span<const float> rows, size_t vocab, const Ends& ends) {
  ++length_;
  std::vector<Beam> next;
  std::vector<float> penalties(groups_.size() > 1 ? vocab : 0);  // by earlier groups' choices
  for (Group& group : groups_) {
    if (group.done) continue;
    const auto best = best_continuations(group, rows, vocab, penalties);
    if (best.empty()) {
      group.done = true;
      group.count = 0;
    } else {
      advance_group(group, best, ends, penalties, next);
    }
  }
  beams_ = std::move(next);
}

std::vector<BeamAnswer> BeamSearch::answers() const {
  std::vector<BeamAnswer> all;
  for (const Group& group : groups_) {
    Group whole = group;
    for (size_t i = 0; i < (group.done ? 0 : group.count); ++i) {
      const Beam& beam = beams_[group.first + i];
      if (!beam.tokens.empty()) add_answer(whole, complete(beam, false));
    }
    std::ranges::move(whole.answers, std::back_inserter(all));
  }
  std::ranges::stable_sort(all, [](const BeamAnswer& a, const BeamAnswer& b) { return a.score > b.score; });
  if (all.size() > params_.num_return_sequences) all.resize(params_.num_return_sequences);
  return all;
}

}  // namespace nibble
