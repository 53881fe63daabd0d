#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Requests and responses as the endpoints see them. Only http_server.cpp and connection.cpp know the library
/// that carries them.
namespace nibble {

struct HttpRequest {
  std::string method, path;  ///< the path decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;   ///< names in lower case
  std::map<std::string, std::string> segments;  ///< what stands at the {names} of the route
  std::string body;
  std::string remote;  ///< the client's address

  /// Empty when it is not there.
  const std::string& header(const std::string& lower_case_name) const;
};

/// Where the body of a streaming response goes.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Blocks while the client does not read, for a limited time. False when the client is gone.
  virtual bool write(std::string_view bytes) = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::function<void(ByteSink&)> stream;  ///< in place of the body; runs once the headers are sent
};

/// One request with its response.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// True once the client has closed its connection: nobody waits for the response.
  virtual bool client_gone() const = 0;

  void respond(const nlohmann::ordered_json& body, int status = 200);

  HttpRequest request;
  HttpResponse response;
  const std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  std::string route;  ///< the pattern of the route that answers it
  nlohmann::ordered_json log = nlohmann::ordered_json::object();  ///< what the log says of it besides
};

/// JSON as it is sent: what is not UTF-8 is replaced.
std::string to_text(const nlohmann::ordered_json& value);

}  // namespace nibble
