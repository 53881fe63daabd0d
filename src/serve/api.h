#pragma once

#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/router.h"
#include "serve/server_state.h"

namespace nibble {

/// All that is between HTTP and the endpoints: access, routes, errors in OpenAI's shape, log and metrics.
class Api : public HttpHandler {
 public:
  Api(ServerState& state, const Router& router, const AccessRules& access)
      : state_(state), router_(router), access_(access) {}

  bool admit(Exchange& exchange) override;
  void handle(Exchange& exchange) override;
  void finished(const Exchange& exchange) override;
  std::string error_body(int status) override;

 private:
  void respond_error(Exchange& exchange, int status, const nlohmann::ordered_json& body, int retry_after);
  bool preflight(Exchange& exchange) const;

  ServerState& state_;
  const Router& router_;
  AccessRules access_;
};

}  // namespace nibble
