#include "serve/finish.h"

namespace nibble {

std::string_view finish_reason(StopReason reason) {
  switch (reason) {
    case StopReason::end_of_turn:
    case StopReason::stop_string:
      return "stop";
    default:
      return "length";
  }
}

void check_end(Answers::End end, bool has_text) {
  if (end == Answers::End::cut) {
    throw ApiError(503, "the server is shutting down: the answer is not complete", {}, "shutting_down");
  }
  if (end == Answers::End::timed_out && !has_text) {
    throw ApiError(503, "the request got no answer within its time: try again later", {}, "timeout");
  }
}

}  // namespace nibble
