#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "serve/event_log.h"
#include "serve/metrics.h"
#include "serve/models.h"

namespace nibble {

/// What all endpoints share.
struct ServerState {
  ServerState(ModelHub& hub, EventLog& events) : models(hub), log(events) {}

  ModelHub& models;
  EventLog& log;
  Metrics metrics;
  std::chrono::seconds timeout{600};  ///< for one request, waiting included
  bool log_prompts = false;
  std::atomic<bool> draining{false};  ///< no new requests
  std::atomic<bool> cut{false};       ///< answers that run end now
};

/// A new id, such as "chatcmpl-" with 24 letters behind it.
std::string new_id(const std::string& prefix);

int64_t unix_time();

double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace nibble
