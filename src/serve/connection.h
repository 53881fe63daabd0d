#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace nibble {

/// What a connection may take. A client that sends or reads too slowly loses it.
struct ConnectionLimits {
  size_t header_bytes = 64 * 1024;          ///< request line and all headers together
  std::chrono::milliseconds header{10000};  ///< from the first byte of a request to the end of its headers
  std::chrono::milliseconds stall{30000};   ///< without a byte, in reading a body or writing
  std::chrono::milliseconds body{120000};   ///< to send a whole body
};

/// One accepted socket, with or without TLS. It reads in blocks (the library asks for single bytes), bounds
/// what the library does not (the headers' size in all, the time a request takes to arrive), and notices when
/// the client goes away.
class Connection : public httplib::Stream {
 public:
  /// Takes over the socket. `tls`: null without TLS. `stopping`: idle connections end once it is set.
  Connection(int socket, SSL_CTX* tls, const ConnectionLimits& limits, const std::atomic<bool>& stopping);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The TLS handshake; false when it fails.
  bool begin();
  /// Waits for the next request; false when there is none within the time.
  bool wait_for_request(std::chrono::milliseconds longest);
  /// The headers have been read: the body's limits hold from here on.
  void headers_done();
  /// Reads away what the client still sends, for a short time: closing before would take the response from
  /// it.
  void linger();
  /// True when the client has closed its side, or the connection has failed.
  bool gone() const;

  bool is_readable() const override { return true; }
  bool is_writable() const override { return !gone(); }
  ssize_t read(char* out, size_t size) override;
  ssize_t write(const char* bytes, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { idle, headers, body };

  bool over() const { return failed_ || ended_; }
  bool wait(short events, std::chrono::milliseconds longest) const;
  bool fill(std::chrono::milliseconds longest);
  /// One try: > 0 bytes, 0 at the end, -1 when it would block, -2 when it failed.
  ssize_t receive(char* out, size_t size);
  ssize_t send(const char* bytes, size_t size);
  ssize_t tls_result(int result) const;
  void refuse_headers();

  int socket_;
  SSL* tls_ = nullptr;
  ConnectionLimits limits_;
  const std::atomic<bool>& stopping_;
  Phase phase_ = Phase::idle;
  Clock::time_point deadline_{};
  size_t header_bytes_ = 0;
  std::string buffer_;
  size_t at_ = 0;  ///< of the buffer, read so far
  bool failed_ = false;
  bool ended_ = false;            ///< the client sends no more; it may still read
  mutable short blocked_on_ = 0;  ///< what TLS waits for: a read may need a write
};

}  // namespace nibble
