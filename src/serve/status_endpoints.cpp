#include "base/process.h"
#include "serve/endpoints.h"

namespace nibble {

namespace {

using Json = nlohmann::ordered_json;

/// Open to everybody, so it says nothing of the models.
void health(Exchange& exchange, ServerState& state) {
  const bool ready = !state.draining;
  exchange.respond({{"status", ready ? "ok" : "shutting_down"}}, ready ? 200 : 503);
}

/// Of the model that ?model= names, or the first.
void status(Exchange& exchange, ServerState& state) {
  const auto named = exchange.request.query.find("model");
  const auto model = state.models.get(named == exchange.request.query.end() ? "" : named->second);
  const SchedulerStatus now = model->scheduler->status();
  exchange.respond({{"model", model->id},
                    {"context", model->engine->context()},
                    {"memory",
                     {{"weights", model->engine->memory().weight_bytes},
                      {"cache", now.cache_bytes},
                      {"cache_used", now.cache_used_bytes},
                      {"draft_cache", now.draft_cache_bytes},
                      {"draft_cache_used", now.draft_cache_used_bytes},
                      {"resident", process_usage().resident_bytes}}},
                    {"active", now.active},
                    {"queued", now.queued},
                    {"requests_total", state.metrics.requests()},
                    {"tokens_per_s", model->decode_tokens_per_s()}});
}

}  // namespace

void add_status_endpoints(Router& router, ServerState& state) {
  router.add(
      "GET", "/health", [&state](Exchange& exchange) { health(exchange, state); }, Router::Access::open);
  router.add("GET", "/api/status", [&state](Exchange& exchange) { status(exchange, state); });
  router.add("GET", "/metrics", [&state](Exchange& exchange) {
    exchange.response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    exchange.response.body = state.metrics.text(state.models);
  });
}

}  // namespace nibble
