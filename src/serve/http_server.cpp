#include "serve/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "serve/connection.h"
#include "serve/tls_context.h"
#include "serve/worker_pool.h"

namespace nibble {

namespace {

constexpr int kRequestsPerConnection = 1000;
constexpr int kKeptIdle = 60;  // seconds
constexpr size_t kLongestPath = 1024;
/// The library listens with room for five; a burst of clients would wait for their system to try again.
constexpr int kBacklog = 512;
/// Threads beside those of the connections there may be: they tell others to come back later.
constexpr size_t kRefusers = 8;

class ConnectionExchange : public Exchange {
 public:
  explicit ConnectionExchange(Connection& connection) : connection_(connection) {}

  bool client_gone() const override { return connection_.gone(); }

  /// Takes the request over once its headers are read, and out of the library's what it would act on.
  void take(httplib::Request& from) {
    taken = true;
    connection_.headers_done();
    request.method = from.method;
    request.path = from.path;
    request.remote = from.remote_addr;
    for (const auto& [name, value] : from.params) request.query.emplace(name, value);
    for (const auto& [name, value] : from.headers) {
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      request.headers.emplace(std::move(lower), value);
    }
    if (from.headers.count("Content-Length") > 1 ||
        (from.has_header("Content-Length") && from.has_header("Transfer-Encoding"))) {
      ambiguous_body = true;
    }
    old_protocol = from.version == "HTTP/1.0";
    from.headers.erase(
        "Accept-Encoding");  // bodies are compressed where that is worth it: once, in the build
    from.ranges.clear();
    if (!from.has_header("Content-Length") && !from.has_header("Transfer-Encoding")) {
      from.set_header("Content-Length", "0");  // otherwise a body would be read until the connection ends
    }
  }

  bool has_body() const {
    const std::string& length = request.header("content-length");
    return !request.header("transfer-encoding").empty() || (!length.empty() && length != "0");
  }

  bool taken = false, ambiguous_body = false, old_protocol = false;
  bool close = false;  ///< what is left of the request is not read: the connection can't go on

 private:
  Connection& connection_;
};

/// As the library sets it, but for SO_REUSEPORT: two servers that share a port would share its clients too.
void reuse_address(socket_t socket) {
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

/// Each connection is served by one thread, a request at a time.
thread_local ConnectionExchange* g_exchange = nullptr;

class StreamSink : public ByteSink {
 public:
  explicit StreamSink(httplib::DataSink& sink) : sink_(sink) {}
  bool write(std::string_view bytes) override {
    if (bytes.empty()) return ok_;
    ok_ = ok_ && sink_.write(bytes.data(), bytes.size());
    return ok_;
  }
  bool ok() const { return ok_; }

 private:
  httplib::DataSink& sink_;
  bool ok_ = true;
};

void send_stream(ConnectionExchange& exchange, httplib::Response& out) {
  const auto provider = [&exchange](size_t, httplib::DataSink& sink) {
    StreamSink bytes(sink);
    try {
      exchange.response.stream(bytes);
    } catch (const std::exception& error) {
      exchange.log["error"] = error.what();
      return false;
    }
    if (!bytes.ok()) return false;
    sink.done();
    return true;
  };
  if (exchange.old_protocol) {
    exchange.close = true;
    out.set_content_provider(exchange.response.content_type, provider);
  } else {
    out.set_chunked_content_provider(exchange.response.content_type, provider);
  }
}

void send(ConnectionExchange& exchange, httplib::Response& out) {
  const HttpResponse& response = exchange.response;
  out.status = response.status;
  for (const auto& [name, value] : response.headers) out.set_header(name, value);
  if (exchange.response.stream) {
    send_stream(exchange, out);
  } else if (!response.body.empty()) {
    out.set_content(response.body, response.content_type);
  }
  if (exchange.close) out.set_header("Connection", "close");
}

}  // namespace

class HttpServer::Impl : public httplib::Server {
 public:
  Impl(const HttpServerOptions& options, HttpHandler& handler) : options_(options), handler_(handler) {
    if (!options.certificate.empty()) tls_ = make_tls_context(options.certificate, options.key);
    limits_.stall = options.stall;
    limits_.header = std::min<std::chrono::milliseconds>(limits_.header, options.stall);
    set_socket_options(reuse_address);
    set_keep_alive_max_count(kRequestsPerConnection);
    set_keep_alive_timeout(kKeptIdle);
    new_task_queue = [this] { return new WorkerPool(options_.max_connections + kRefusers); };
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return before_body(request, response) ? HandlerResponse::Unhandled : HandlerResponse::Handled;
    });
    const auto with_body = [this](const httplib::Request&, httplib::Response& response,
                                  const httplib::ContentReader& reader) { with_reader(response, reader); };
    Post("[^]*", with_body);
    Delete("[^]*", with_body);
    set_error_handler(HandlerWithResponse([this](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty() || response.content_provider_) return HandlerResponse::Unhandled;
      response.set_content(handler_.error_body(response.status), "application/json");
      return HandlerResponse::Handled;
    }));
  }

  int bind() {
    int port = options_.port;
    if (port == 0) {
      port = bind_to_any_port(options_.host);
    } else if (!bind_to_port(options_.host, port)) {
      port = -1;
    }
    if (port < 0) {
      fail("can't listen at {} port {}: {}; choose another --host or --port", options_.host, options_.port,
           std::strerror(errno));
    }
    ::listen(svr_sock_, kBacklog);
    return port;
  }

  void end() {
    stopping_ = true;
    stop();
  }

  std::atomic<size_t> active{0}, connections{0};

 private:
  /// False when the response stands.
  bool before_body(const httplib::Request& request, httplib::Response& response) {
    ConnectionExchange& exchange = *g_exchange;
    const bool reads_body = request.method == "POST" || request.method == "DELETE";
    if (exchange.ambiguous_body || request.path.size() > kLongestPath || request.is_multipart_form_data()) {
      exchange.response.status = exchange.ambiguous_body ? 400 : request.is_multipart_form_data() ? 415 : 414;
      exchange.response.body = handler_.error_body(exchange.response.status);
      exchange.close = true;
    } else if (!handler_.admit(exchange)) {
      exchange.close = exchange.has_body();
    } else if (reads_body && announced_body(request) > options_.max_body) {
      refuse_body(413);
    } else if (reads_body) {
      return true;
    } else {
      exchange.close = exchange.has_body();
      handler_.handle(exchange);
    }
    send(exchange, response);
    return false;
  }

  static uint64_t announced_body(const httplib::Request& request) {
    if (!request.has_header("Content-Length")) return 0;
    return std::strtoull(request.get_header_value("Content-Length").c_str(), nullptr, 10);
  }

  void refuse_body(int status) {
    g_exchange->close = true;
    g_exchange->response.status = status;
    g_exchange->response.body = handler_.error_body(status);
  }

  void with_reader(httplib::Response& response, const httplib::ContentReader& reader) {
    ConnectionExchange& exchange = *g_exchange;
    std::string& body = exchange.request.body;
    bool too_large = false;
    const bool complete = reader([&](const char* bytes, size_t size) {
      too_large = body.size() + size > options_.max_body;
      if (!too_large) body.append(bytes, size);
      return !too_large;
    });
    if (complete) {
      handler_.handle(exchange);
    } else {
      refuse_body(too_large ? 413 : 400);
    }
    send(exchange, response);
  }

  /// The life of a connection, in place of the library's own: its limits are ours.
  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, tls_.get(), limits_, stopping_);
    const Count count(connections);
    if (!connection.begin()) return false;
    if (count.now > options_.max_connections) return refuse(connection);
    for (int i = 1; i <= kRequestsPerConnection && connection.wait_for_request(idle_time()); ++i) {
      if (!serve(connection, i == kRequestsPerConnection || stopping_)) break;
    }
    return true;
  }

  /// How long a connection may be kept without a request: long enough that clients that keep it for the next
  /// one do not find it closing, unless connections are scarce.
  std::chrono::seconds idle_time() const {
    const bool scarce = connections > options_.max_connections / 4 * 3;
    return std::chrono::seconds(scarce ? 1 : kKeptIdle);
  }

  /// False when the connection can't go on.
  bool serve(Connection& connection, bool last) {
    ConnectionExchange exchange(connection);
    g_exchange = &exchange;
    const Count count(active);
    bool closed = false;
    const bool sent = process_request(connection, last, closed,
                                      [](httplib::Request& request) { g_exchange->take(request); });
    g_exchange = nullptr;
    if (exchange.taken) handler_.finished(exchange);
    if (sent && !last && !closed && exchange.taken && !exchange.close) return true;
    if (!exchange.taken || exchange.close) connection.linger();
    return false;
  }

  bool refuse(Connection& connection) {
    const std::string body = handler_.error_body(503);
    connection.write_format(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        body.size());
    connection.write(body.data(), body.size());
    connection.linger();
    return false;
  }

  struct Count {
    explicit Count(std::atomic<size_t>& counted) : value(counted), now(++value) {}
    ~Count() { --value; }
    std::atomic<size_t>& value;
    const size_t now;
  };

  const HttpServerOptions options_;
  HttpHandler& handler_;
  ConnectionLimits limits_;
  TlsContext tls_;
  std::atomic<bool> stopping_{false};
};

HttpServer::HttpServer(const HttpServerOptions& options, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
HttpServer::~HttpServer() = default;

int HttpServer::bind() {
  return impl_->bind();
}
void HttpServer::run() {
  impl_->listen_after_bind();
}
void HttpServer::stop() {
  impl_->end();
}
size_t HttpServer::active() const {
  return impl_->active;
}
size_t HttpServer::connections() const {
  return impl_->connections;
}

}  // namespace nibble
