#pragma once

#include <chrono>
#include <string>

#include "serve/access.h"
#include "serve/http_server.h"
#include "serve/models.h"

namespace nibble {

struct ServeOptions {
  ModelHubOptions models;
  HttpServerOptions http;
  AccessRules access;
  std::string program;                ///< this program's path, which jobs run
  std::chrono::seconds timeout{600};  ///< for one request
  std::chrono::seconds grace{30};     ///< for running answers once the server is told to stop
  bool log_prompts = false, quiet = false, web = true;
};

/// Loads the models and serves until SIGTERM or SIGINT: then no request is taken any more, answers that run
/// get their grace, and what is left is ended with an error. A second signal ends it at once. To be called
/// before there are other threads, which would take the signals. Throws Error when it can't begin.
void run_server(const ServeOptions& options);

}  // namespace nibble
