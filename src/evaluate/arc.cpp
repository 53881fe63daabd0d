#include "evaluate/arc.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "evaluate/encode.h"

namespace nibble {

namespace {

/// Questions that are scored in one call. Those that begin the same share its computation; after each
/// call the progress can tell how many were right so far.
constexpr size_t kQuestionsPerCall = 512;

/// Python's len(): code points.
size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(size_t(std::max(1, decode_utf8(text).length)));
  return count;
}

std::string letter(size_t index) {
  return std::string(1, char('A' + index));
}

ScoreRequest continuation_request(const Tokenizer& tokenizer, const ArcQuestion& question) {
  const std::string context = arc_context(question);
  ScoreRequest request{encode_beginning(tokenizer, context), {}};
  for (const ArcChoice& choice : question.choices) {
    const std::vector<int32_t> whole = encode_beginning(tokenizer, context + " " + choice.text);
    const size_t split = std::min(request.context.size(), whole.size());
    request.continuations.emplace_back(whole.begin() + int64_t(split), whole.end());
  }
  return request;
}

ScoreRequest letter_request(const Engine& engine, const ArcQuestion& question) {
  std::string prompt = question.stem + "\n";
  for (size_t i = 0; i < question.choices.size(); ++i) {
    prompt += fmt::format("{}. {}\n", letter(i), question.choices[i].text);
  }
  prompt += "Answer with the letter of the correct option only.";
  ScoreRequest request{engine.encode_chat({{"user", prompt}}), {}};
  for (size_t i = 0; i < question.choices.size(); ++i) {
    request.continuations.push_back(engine.tokenizer().encode(letter(i), {.add_special = false}));
  }
  return request;
}

void check_length(const Engine& engine, const ArcQuestion& question, const ScoreRequest& request) {
  size_t longest = 0;
  for (const auto& continuation : request.continuations) longest = std::max(longest, continuation.size());
  if (request.context.size() + longest > engine.context()) {
    fail("{} question {}: {} tokens, more than the {} that are scored; leave it out", question.set,
         question.id, request.context.size() + longest, engine.context());
  }
}

}  // namespace

std::string_view arc_style_name(ArcStyle style) {
  return style == ArcStyle::letter ? "letter" : "continuation";
}

ArcStyle arc_style_from_name(std::string_view name) {
  if (name == "continuation") return ArcStyle::continuation;
  if (name == "letter") return ArcStyle::letter;
  throw UsageError(fmt::format("--arc-style {}: must be continuation or letter", name));
}

ScoreRequest arc_request(const Engine& engine, const ArcQuestion& question, ArcStyle style) {
  ScoreRequest request = style == ArcStyle::letter ? letter_request(engine, question)
                                                   : continuation_request(engine.tokenizer(), question);
  for (size_t i = 0; i < question.choices.size(); ++i) {
    if (request.continuations[i].empty()) {
      fail("{} question {}: choice {} adds no token to its context with this tokenizer", question.set,
           question.id, question.choices[i].label);
    }
  }
  check_length(engine, question, request);
  return request;
}

ArcAnswer arc_answer(const ArcQuestion& question, std::vector<double> log_likelihoods, ArcStyle style) {
  ArcAnswer answer{std::move(log_likelihoods), 0, 0};
  const auto normalized = [&](size_t i) {
    const size_t length = style == ArcStyle::letter ? 1 : count_characters(question.choices[i].text);
    return answer.log_likelihoods[i] / double(length);
  };
  for (size_t i = 1; i < answer.log_likelihoods.size(); ++i) {
    if (answer.log_likelihoods[i] > answer.log_likelihoods[answer.pred]) answer.pred = i;
    if (normalized(i) > normalized(answer.pred_norm)) answer.pred_norm = i;
  }
  return answer;
}

ArcResult arc_totals(const std::vector<ArcQuestion>& questions, std::vector<ArcAnswer> answers) {
  ArcResult result{std::move(answers), {}, {}};
  for (size_t i = 0; i < questions.size(); ++i) {
    const ArcQuestion& question = questions[i];
    auto set =
        std::find_if(result.sets.begin(), result.sets.end(), [&](auto& s) { return s.set == question.set; });
    if (set == result.sets.end()) set = result.sets.insert(set, ArcScore{question.set});
    for (ArcScore* score : {&*set, &result.all}) {
      ++score->n;
      score->correct += result.answers[i].pred == question.gold;
      score->correct_norm += result.answers[i].pred_norm == question.gold;
    }
  }
  return result;
}

ArcResult evaluate_arc(Engine& engine, const std::vector<ArcQuestion>& questions, ArcStyle style) {
  Progress progress("ARC", questions.size(), "questions");
  std::vector<ArcAnswer> answers;
  uint64_t correct = 0;
  for (size_t begin = 0; begin < questions.size(); begin += kQuestionsPerCall) {
    const size_t end = std::min(begin + kQuestionsPerCall, questions.size());
    std::vector<ScoreRequest> requests;
    for (size_t i = begin; i < end; ++i) requests.push_back(arc_request(engine, questions[i], style));
    const auto scores = engine.score(requests, [&](size_t done) { progress.add(done); });
    for (size_t i = begin; i < end; ++i) {
      std::vector<double> sums;
      for (const auto& tokens : scores[i - begin]) {
        double sum = 0;
        for (const auto& token : tokens) sum += token.log_probability;
        sums.push_back(sum);
      }
      answers.push_back(arc_answer(questions[i], std::move(sums), style));
      correct += answers.back().pred == questions[i].gold;
    }
    progress.add(0, fmt::format("{:.1f}% right", 100.0 * double(correct) / double(end)));
  }
  return arc_totals(questions, std::move(answers));
}

}  // namespace nibble
