#include "serve/api.h"

#include "serve/api_error.h"

namespace nibble {

namespace {

std::string_view status_words(int status) {
  switch (status) {
    case 400:
      return "the request is not whole, or no HTTP";
    case 413:
      return "the body is larger than this server takes; --max-body allows more";
    case 414:
      return "the address is too long";
    case 415:
      return "the body must be JSON";
    case 503:
      return "the server has as many connections as it may: try again in a moment";
    default:
      return "the request can't be served";
  }
}

}  // namespace

bool Api::admit(Exchange& exchange) {
  const std::string id = new_id("req-");
  exchange.log["id"] = id;
  exchange.response.headers.emplace_back("X-Request-Id", id);
  add_cors_headers(exchange.request, access_, exchange.response);
  try {
    if (preflight(exchange)) return false;
    const Router::Route& route = router_.find(exchange.request);
    exchange.route = route.name;
    check_access(exchange.request, access_, route.access == Router::Access::open);
    if (state_.draining && route.access != Router::Access::open) {
      throw ApiError(503, "the server is shutting down", {}, "shutting_down");
    }
    return true;
  } catch (const ApiError& error) {
    respond_error(exchange, error.status(), error.body(), error.retry_after());
    return false;
  }
}

/// A browser asks whether it may, before it sends what a page of another origin wants.
bool Api::preflight(Exchange& exchange) const {
  if (exchange.request.method != "OPTIONS" || access_.cors.empty()) return false;
  check_access(exchange.request, access_, true);
  exchange.response.status = 204;
  return true;
}

void Api::handle(Exchange& exchange) {
  try {
    router_.find(exchange.request).handler(exchange);
  } catch (const ApiError& error) {
    respond_error(exchange, error.status(), error.body(), error.retry_after());
  } catch (const std::bad_alloc&) {
    const ApiError full(503, "the server has no memory left for this request", {}, "out_of_memory");
    respond_error(exchange, full.status(), full.body(), full.retry_after());
  } catch (const std::exception& error) {
    exchange.log["error"] = error.what();
    respond_error(exchange, 500, ApiError(500, error.what(), {}, "internal_error").body(), 0);
  }
}

void Api::respond_error(Exchange& exchange, int status, const nlohmann::ordered_json& body, int retry_after) {
  exchange.response.stream = nullptr;
  exchange.respond(body, status);
  if (retry_after > 0) exchange.response.headers.emplace_back("Retry-After", std::to_string(retry_after));
  if (status == 401) exchange.response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!exchange.log.contains("error")) exchange.log["error"] = body["error"]["message"];
}

void Api::finished(const Exchange& exchange) {
  const double seconds = seconds_since(exchange.begun);
  state_.metrics.count_request(exchange.route.empty() ? "other" : exchange.route, exchange.response.status,
                               seconds);
  nlohmann::ordered_json fields = {{"method", exchange.request.method},
                                   {"path", exchange.request.path},
                                   {"client", exchange.request.remote},
                                   {"status", exchange.response.status},
                                   {"ms", int64_t(seconds * 1000)}};
  fields.update(exchange.log);
  state_.log.write("request", fields);
}

std::string Api::error_body(int status) {
  return to_text(ApiError(status, std::string(status_words(status))).body());
}

}  // namespace nibble
