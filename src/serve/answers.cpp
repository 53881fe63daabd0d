#include "serve/answers.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "sampling/grammar/configuration.h"
#include "serve/api_error.h"

namespace nibble {

namespace {

/// Prompts of one HTTP request that run together: enough to fill every step, few enough to leave others room.
constexpr size_t kTogether = 32;
/// How soon a client that went away is noticed while nothing comes.
constexpr std::chrono::milliseconds kPoll{50};

/// What fails in the middle is the server's fault, but for a grammar that asks for too much.
std::optional<AnswerPiece> next_piece(RequestHandle& handle, std::chrono::milliseconds timeout) {
  try {
    return handle.next(timeout);
  } catch (const AmbiguousGrammar& error) {
    throw ApiError(400, error.what(), "response_format");
  } catch (const Error& error) {
    throw ApiError(500, error.what(), {}, "generation_failed");
  }
}

}  // namespace

Answers::Answers(ServerState& state, std::shared_ptr<LoadedModel> model, std::vector<Request> requests)
    : state_(state), model_(std::move(model)), requests_(std::move(requests)) {
  submit(true);
}

void Answers::submit(bool first) {
  while (next_ < requests_.size() && running_.size() < kTogether) {
    try {
      running_.push_back({next_, model_->scheduler->submit(requests_[next_])});
    } catch (const QueueFull&) {
      if (!first) {
        if (running_.empty()) std::this_thread::sleep_for(kPoll);
        return;
      }
      throw ApiError(429, "too many requests wait already: try again in a moment", {}, "queue_full");
    } catch (const Error& error) {
      if (state_.draining) throw ApiError(503, "the server is shutting down", {}, "shutting_down");
      const bool too_long = requests_[next_].prompt.size() >= model_->engine->context();
      throw ApiError(400, error.what(), {}, too_long ? "context_length_exceeded" : "");
    }
    ++next_;
  }
}

Answers::End Answers::run(const Exchange& exchange, const OnPiece& on_piece) {
  End end = End::complete;
  while ((!running_.empty() || next_ < requests_.size()) && end == End::complete) {
    bool any = false;
    if (!deliver(on_piece, any) || exchange.client_gone()) {
      end = End::client_gone;
    } else if (state_.cut) {
      end = End::cut;
    } else if (Clock::now() - start_ > state_.timeout) {
      end = End::timed_out;
    } else {
      submit(false);
    }
  }
  for (const Running& running : running_) {
    running.handle->cancel();
    collect(running);
  }
  running_.clear();
  model_->count_answer(usage_);
  state_.metrics.count_answer(model_->id, usage_, std::max(0.0, first_piece_s_));
  return end;
}

bool Answers::deliver(const OnPiece& on_piece, bool& any) {
  for (size_t i = 0; i < running_.size();) {
    const Running running = running_[i];
    // Only the last one is waited for, when none of them had anything.
    const bool waits = !any && i + 1 == running_.size();
    const bool ended = running.handle->done();  // asked first: what comes in between is not lost
    auto piece = next_piece(*running.handle, waits && !ended ? kPoll : std::chrono::milliseconds(0));
    for (; piece; piece = next_piece(*running.handle, std::chrono::milliseconds(0))) {
      any = true;
      if (first_piece_s_ < 0) first_piece_s_ = seconds_since(start_);
      if (!on_piece(running.request, *piece, *running.handle)) return false;
    }
    if (ended) {
      collect(running);
      running_.erase(running_.begin() + ptrdiff_t(i));
    } else {
      ++i;
    }
  }
  return true;
}

void Answers::collect(const Running& running) {
  const RequestUsage usage = running.handle->usage();
  usage_.prompt_tokens += usage.prompt_tokens;
  usage_.cached_tokens += usage.cached_tokens;
  usage_.completion_tokens += usage.completion_tokens;
  usage_.drafted += usage.drafted;
  usage_.accepted += usage.accepted;
  usage_.queue_s = std::max(usage_.queue_s, usage.queue_s);
  usage_.prefill_s = std::max(usage_.prefill_s, usage.prefill_s);
  usage_.decode_s = std::max(usage_.decode_s, usage.decode_s);
}

nlohmann::ordered_json Answers::usage_json() const {
  return {{"prompt_tokens", usage_.prompt_tokens},
          {"completion_tokens", usage_.completion_tokens},
          {"total_tokens", usage_.prompt_tokens + usage_.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage_.cached_tokens}}}};
}

nlohmann::ordered_json Answers::timings_json() const {
  const auto rate = [](double tokens, double seconds) {
    return seconds > 0 && tokens > 0 ? tokens / seconds : 0.0;
  };
  return {
      {"queue_s", usage_.queue_s},
      {"prefill_s", usage_.prefill_s},
      {"decode_s", usage_.decode_s},
      {"prefill_tokens_per_s", rate(double(usage_.prompt_tokens) - usage_.cached_tokens, usage_.prefill_s)},
      {"decode_tokens_per_s", rate(double(usage_.completion_tokens) - 1, usage_.decode_s)},
      {"cached_tokens", usage_.cached_tokens},
      {"drafted", usage_.drafted},
      {"accepted", usage_.accepted}};
}

}  // namespace nibble
