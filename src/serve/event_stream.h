#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "serve/api_error.h"
#include "serve/http.h"

namespace nibble {

/// Server-sent events, as OpenAI's clients read them: "data: {...}" and an empty line each.
class EventStream {
 public:
  explicit EventStream(ByteSink& sink) : sink_(sink) {}

  /// False when the client is gone.
  bool send(const nlohmann::ordered_json& event) { return sink_.write("data: " + to_text(event) + "\n\n"); }
  /// A line that readers ignore, which keeps the connection alive.
  bool comment(const std::string& text) { return sink_.write(": " + text + "\n\n"); }
  bool done() { return sink_.write("data: [DONE]\n\n"); }

 private:
  ByteSink& sink_;
};

/// Makes the exchange's response a stream that `write` fills; an ApiError from it becomes an event.
template <typename Write>
void respond_with_events(Exchange& exchange, Write write) {
  exchange.response.content_type = "text/event-stream";
  exchange.response.headers.emplace_back("Cache-Control", "no-cache");
  exchange.response.headers.emplace_back("X-Accel-Buffering", "no");  // proxies must not wait for more
  exchange.response.stream = [write = std::move(write)](ByteSink& sink) mutable {
    EventStream events(sink);
    try {
      write(events);
    } catch (const ApiError& error) {
      events.send(error.body());
      events.done();
    }
  };
}

}  // namespace nibble
