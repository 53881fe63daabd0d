#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"
#include "engine/common_prefix.h"
#include "engine/engine_impl.h"
#include "engine/log_softmax.h"

namespace nibble {

namespace {

using Tokens = std::vector<int32_t>;
using Scores = std::vector<std::vector<std::vector<Engine::TokenScore>>>;

/// Questions of one pass. More would not make the kernels faster.
constexpr size_t kMaxQuestions = 64;
/// What the cache may take whatever the model's size; an eighth of the weights for large models, so that
/// scoring needs no other machine than running does.
constexpr uint64_t kLeastCacheBytes = 64 << 20;
/// Caches are made for 64, 128, 256, ... positions, so that few long questions don't cost room for all.
constexpr size_t kLeastRoom = 64;

/// The positions that a question needs at most. The last token of a continuation is never computed.
size_t room(const ScoreRequest& request) {
  size_t longest = 1;
  for (const Tokens& continuation : request.continuations) longest = std::max(longest, continuation.size());
  return request.context.size() + longest - 1;
}

size_t room_class(const ScoreRequest& request) {
  return std::bit_ceil(std::max(room(request), kLeastRoom));
}

Engine::TokenScore score_token(std::span<const float> logits, const LogSoftmax& normalizer, int32_t token) {
  return {double(logits[size_t(token)]) - normalizer.log_total, token == normalizer.best};
}

/// The order in which those with a common prefix are neighbours.
std::vector<size_t> lexicographic_order(const std::vector<Tokens>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  return order;
}

/// Scores questions together, a sequence of the cache each: one pass over their contexts, then one over
/// every question's first continuation, its second, and so on. What a context shares with the last one
/// of the questions before, and a continuation with the one before it, is taken from the cache.
class QuestionScorer {
 public:
  QuestionScorer(Forward& forward, ThreadPool& pool, KvCache& cache)
      : forward_(forward), pool_(pool), cache_(cache) {}

  /// `questions` are indices into the requests, at most as many as the cache has sequences.
  void run(std::span<const ScoreRequest> requests, std::span<const size_t> questions, Scores& scores) {
    questions_.clear();
    size_t rounds = 0;
    for (const size_t q : questions) {
      const auto& continuations = requests[q].continuations;
      questions_.push_back({&requests[q], lexicographic_order(continuations), &scores[q]});
      rounds = std::max(rounds, continuations.size());
    }
    score_contexts();
    for (size_t round = 0; round < rounds; ++round) score_round(round);
    last_context_ = &questions_.back().request->context;
    last_sequence_ = uint32_t(questions_.size() - 1);
    cache_.truncate(last_sequence_, uint32_t(last_context_->size()));
  }

 private:
  struct Question {
    const ScoreRequest* request;
    std::vector<size_t> order;  ///< of the continuations
    std::vector<std::vector<Engine::TokenScore>>* scores;

    const Tokens& continuation(size_t i) const { return request->continuations[order[i]]; }
  };

  /// A row of logits: what follows the context and `depth` tokens of the continuations from `first` on.
  struct Row {
    uint32_t question;
    size_t first, depth;
  };

  void score_contexts() {
    std::vector<size_t> known(questions_.size(), 0);
    if (last_context_) {
      for (uint32_t q = 0; q < questions_.size(); ++q) {
        const Tokens& context = questions_[q].request->context;
        // The last token is computed in any case, for its logits.
        known[q] = std::min(common_prefix(*last_context_, context), context.size() - 1);
        if (q != last_sequence_) cache_.copy_prefix(last_sequence_, q, uint32_t(known[q]));
      }
      if (last_sequence_ < known.size()) cache_.truncate(last_sequence_, uint32_t(known[last_sequence_]));
    }
    for (uint32_t q = 0; q < questions_.size(); ++q) {
      const Tokens& context = questions_[q].request->context;
      for (size_t t = known[q]; t < context.size(); ++t) batch_.push_back({context[t], q, false});
      batch_.back().wants_logits = true;
      rows_.push_back({q, 0, 0});
    }
    flush();
  }

  void score_round(size_t round) {
    for (uint32_t q = 0; q < questions_.size(); ++q) {
      const Question& question = questions_[q];
      if (round >= question.order.size()) continue;
      const Tokens& tokens = question.continuation(round);
      size_t known = 0;
      if (round > 0) {
        const Tokens& before = question.continuation(round - 1);
        known = std::min({common_prefix(before, tokens), before.size() - 1, tokens.size() - 1});
      }
      cache_.truncate(q, uint32_t(question.request->context.size() + known));
      for (size_t t = known; t + 1 < tokens.size(); ++t) {
        batch_.push_back({tokens[t], q, true});
        rows_.push_back({q, round, t + 1});
      }
    }
    flush();
  }

  /// Computes the batch and scores its rows.
  void flush() {
    size_t first = 0;
    forward_.run(batch_, cache_, [&](std::span<const float> logits) {
      const size_t vocab = forward_.model().config().vocab, count = logits.size() / vocab;
      pool_.parallel_for(count, 1, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) score_row(rows_[first + i], logits.subspan(i * vocab, vocab));
      });
      first += count;
    });
    batch_.clear();
    rows_.clear();
  }

  /// The next token of every continuation that begins with the row's tokens.
  void score_row(const Row& row, std::span<const float> logits) const {
    const Question& question = questions_[row.question];
    const LogSoftmax normalizer(logits);
    for (size_t i = row.first; i < question.order.size(); ++i) {
      const Tokens& tokens = question.continuation(i);
      if (common_prefix(tokens, question.continuation(row.first)) < row.depth) break;
      if (tokens.size() <= row.depth) continue;
      (*question.scores)[question.order[i]][row.depth] = score_token(logits, normalizer, tokens[row.depth]);
    }
  }

  Forward& forward_;
  ThreadPool& pool_;
  KvCache& cache_;
  std::vector<Question> questions_;
  std::vector<BatchToken> batch_;
  std::vector<Row> rows_;                 ///< of the batch's tokens that want logits
  const Tokens* last_context_ = nullptr;  ///< in the cache, as last_sequence_
  uint32_t last_sequence_ = 0;
};

void check_requests(std::span<const ScoreRequest> requests, const Engine& engine) {
  const int64_t vocab = engine.model().config().vocab;
  for (size_t i = 0; i < requests.size(); ++i) {
    const ScoreRequest& request = requests[i];
    if (request.context.empty()) fail("question {} has an empty context: give at least one token", i + 1);
    for (const Tokens& continuation : request.continuations) {
      if (continuation.empty()) fail("question {} has an empty continuation", i + 1);
      for (const int32_t id : continuation) {
        if (id >= 0 && id < vocab) continue;
        fail("question {}: token {} is outside of the vocabulary of {}", i + 1, id, vocab);
      }
    }
    if (room(request) > engine.context()) {
      fail(
          "question {} needs {} tokens with its longest answer, but the context is {}: raise --context (this "
          "model allows {})",
          i + 1, room(request), engine.context(), engine.model().config().context_length);
    }
  }
}

/// Every continuation with its context in a pass of its own.
void score_alone(Engine& engine, const ScoreRequest& request,
                 std::vector<std::vector<Engine::TokenScore>>& scores) {
  for (size_t c = 0; c < scores.size(); ++c) {
    const Tokens& continuation = request.continuations[c];
    Tokens sequence = request.context;
    sequence.insert(sequence.end(), continuation.begin(), continuation.end() - 1);
    const size_t from = request.context.size() - 1;
    engine.logits(
        sequence,
        [&](size_t first, std::span<const float> logits, size_t rows) {
          const size_t vocab = logits.size() / rows;
          for (size_t i = 0; i < rows; ++i) {
            const size_t t = first + i - from;
            const auto row = logits.subspan(i * vocab, vocab);
            scores[c][t] = score_token(row, LogSoftmax(row), continuation[t]);
          }
        },
        from);
  }
}

}  // namespace

Scores Engine::score(std::span<const ScoreRequest> requests, const std::function<void(size_t)>& on_scored) {
  check_requests(requests, *this);
  Scores scores(requests.size());
  std::vector<size_t> order;  // of those that are scored together
  for (size_t i = 0; i < requests.size(); ++i) {
    for (const Tokens& continuation : requests[i].continuations) scores[i].emplace_back(continuation.size());
    if (!impl_->needs_one_pass(room(requests[i]))) {
      order.push_back(i);
      continue;
    }
    score_alone(*this, requests[i], scores[i]);
    if (on_scored) on_scored(1);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const size_t room_a = room_class(requests[a]), room_b = room_class(requests[b]);
    return room_a != room_b ? room_a < room_b : requests[a].context < requests[b].context;
  });

  const uint64_t budget = std::max(kLeastCacheBytes, impl_->model->weight_bytes() / 8);
  for (auto first = order.begin(); first != order.end();) {
    const size_t room = room_class(requests[*first]);
    const auto last =
        std::find_if(first, order.end(), [&](size_t i) { return room_class(requests[i]) != room; });
    const uint32_t capacity = std::min(uint32_t(room), context());
    const uint64_t fit = budget / KvCache::bytes_for(model().config(), 1, capacity, impl_->kv_type);
    const size_t together = std::min(std::clamp<size_t>(fit, 1, kMaxQuestions), size_t(last - first));
    QuestionScorer scorer(impl_->forward, impl_->pool, impl_->work_cache(uint32_t(together), capacity));
    while (first != last) {
      const size_t count = std::min(together, size_t(last - first));
      scorer.run(requests, std::span(first, count), scores);
      first += ptrdiff_t(count);
      if (on_scored) on_scored(count);
    }
  }
  return scores;
}

}  // namespace nibble
