#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/scheduler.h"
#include "serve/http.h"
#include "serve/server_state.h"

namespace nibble {

/// The answers to one HTTP request: one prompt's, or several prompts' that run together.
class Answers {
 public:
  using Clock = std::chrono::steady_clock;

  /// Submits as many as may run at once. Throws ApiError: 429 when the queue is full, 400 for a prompt that
  /// can never be answered, 503 when the server stops.
  Answers(ServerState& state, std::shared_ptr<LoadedModel> model, std::vector<Request> requests);

  /// Gets pieces as they come; false cancels all. `handle` is the piece's request.
  using OnPiece = std::function<bool(size_t request, const AnswerPiece& piece, const RequestHandle& handle)>;
  enum class End { complete, client_gone, timed_out, cut };
  /// Returns when all have ended. When a request takes too long its answers end where they are.
  End run(const Exchange& exchange, const OnPiece& on_piece);

  /// Of all requests; the times are the longest.
  const RequestUsage& usage() const { return usage_; }
  const LoadedModel& model() const { return *model_; }
  /// usage and timings as the API writes them.
  nlohmann::ordered_json usage_json() const;
  nlohmann::ordered_json timings_json() const;

 private:
  struct Running {
    size_t request;
    std::shared_ptr<RequestHandle> handle;
  };

  /// Starts further requests as far as they may run at once. `first`: a full queue is an error; later on it
  /// is waited for.
  void submit(bool first);
  bool deliver(const OnPiece& on_piece, bool& any);
  void collect(const Running& running);

  ServerState& state_;
  std::shared_ptr<LoadedModel> model_;
  std::vector<Request> requests_;
  size_t next_ = 0;
  std::vector<Running> running_;
  RequestUsage usage_{};
  Clock::time_point start_ = Clock::now();
  double first_piece_s_ = -1;
};

}  // namespace nibble
