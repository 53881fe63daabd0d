#include "base/file.h"
#include "serve/endpoints.h"
#include "serve/event_stream.h"
#include "serve/json_fields.h"

namespace nibble {

namespace {

constexpr std::chrono::milliseconds kEventPoll{500};
/// Silence after which proxies may think that a connection is dead.
constexpr int kTicksBetweenComments = 30;

void add(Exchange& exchange, ServerState& state, JobQueue& jobs) {
  const std::string id = jobs.add(plan_job(JsonFields::parse_body(exchange.request.body), state.models));
  exchange.log["job"] = id;
  exchange.respond({{"id", id}}, 201);
}

/// Sends the job at each change, until it has ended.
void send_events(Exchange& exchange, ServerState& state, JobQueue& jobs) {
  const std::string id = exchange.request.segments.at("id");
  jobs.get(id);  // so that an unknown one is 404
  respond_with_events(exchange, [&exchange, &state, &jobs, id](EventStream& events) {
    uint64_t version = 0;
    for (int silent = 0; !state.draining && !exchange.client_gone(); ++silent) {
      if (const auto change = jobs.wait_for_change(id, version, kEventPoll)) {
        if (!events.send(change->job) || change->ended) return;
        version = change->version;
        silent = 0;
      } else if (silent > 0 && silent % kTicksBetweenComments == 0 && !events.comment("still there")) {
        return;
      }
    }
  });
}

void send_report(Exchange& exchange, JobQueue& jobs) {
  const auto directory = jobs.report(exchange.request.segments.at("id"));
  const auto path = directory / "report.json";
  if (directory.empty() || !std::filesystem::is_regular_file(path)) {
    throw ApiError(404, "this job has no report yet; only optimize writes one, at its end", {}, "no_report");
  }
  exchange.response.body = read_file(path);
}

}  // namespace

void add_job_endpoints(Router& router, ServerState& state, JobQueue& jobs) {
  const auto id = [](const Exchange& exchange) { return exchange.request.segments.at("id"); };
  router.add("POST", "/api/jobs", [&](Exchange& exchange) { add(exchange, state, jobs); });
  router.add("GET", "/api/jobs", [&](Exchange& exchange) { exchange.respond({{"jobs", jobs.list()}}); });
  router.add("GET", "/api/jobs/{id}",
             [&, id](Exchange& exchange) { exchange.respond(jobs.get(id(exchange))); });
  router.add("DELETE", "/api/jobs/{id}",
             [&, id](Exchange& exchange) { exchange.respond(jobs.remove(id(exchange))); });
  router.add("POST", "/api/jobs/{id}/cancel",
             [&, id](Exchange& exchange) { exchange.respond(jobs.cancel(id(exchange))); });
  router.add("POST", "/api/jobs/{id}/resume",
             [&, id](Exchange& exchange) { exchange.respond(jobs.resume(id(exchange))); });
  router.add("GET", "/api/jobs/{id}/events", [&](Exchange& exchange) { send_events(exchange, state, jobs); });
  router.add("GET", "/api/jobs/{id}/report", [&](Exchange& exchange) { send_report(exchange, jobs); });
}

}  // namespace nibble
