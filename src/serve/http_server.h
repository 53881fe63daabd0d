#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "serve/http.h"

namespace nibble {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;               ///< 0: one that is free
  std::string certificate, key;  ///< PEM files; TLS when both are given
  size_t max_body = 16 << 20;
  size_t max_connections = 400;    ///< further ones are told to come back later
  std::chrono::seconds stall{30};  ///< a client that sends or reads nothing for so long is cut off
};

/// What a server asks about each request. Called by many threads.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// The headers are there, the body is not. False refuses: the response stands already.
  virtual bool admit(Exchange& exchange) = 0;
  /// The body is there too. Must not throw.
  virtual void handle(Exchange& exchange) = 0;
  /// The response was sent, or could not be.
  virtual void finished(const Exchange& exchange) = 0;
  /// The response to what HTTP itself does not allow: sets its body.
  virtual std::string error_body(int status) = 0;
};

/// HTTP/1.1 with keep-alive over cpp-httplib: requests in, responses and streams out, within limits.
class HttpServer {
 public:
  /// Throws Error when the certificate can't be used.
  HttpServer(const HttpServerOptions& options, HttpHandler& handler);
  ~HttpServer();

  /// Takes the address; returns the port. Throws Error when it can't be had.
  int bind();
  /// Serves until stop() is called, and every connection has ended.
  void run();
  /// No new connections; those that are idle end. Streams end too: call it when none should go on.
  void stop();
  /// Requests that are being served now.
  size_t active() const;
  size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nibble
