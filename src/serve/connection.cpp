#include "serve/connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace nibble {

namespace {

constexpr size_t kBlock = 16 * 1024;
/// How soon an idle connection notices that the server stops.
constexpr std::chrono::milliseconds kIdlePoll{100};
/// What is read away before closing, and for how long.
constexpr size_t kLingerBytes = 4 << 20;
constexpr std::chrono::milliseconds kLinger{1000};

std::string too_large() {
  const std::string body = R"({"error":{"message":"the request's headers are too large: shorten them",)"
                           R"("type":"invalid_request_error","param":null,"code":"headers_too_large"}})";
  return "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Type: "
         "application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

void address(bool remote, int socket, std::string& ip, int& port) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* any = reinterpret_cast<sockaddr*>(&storage);
  if ((remote ? getpeername(socket, any, &size) : getsockname(socket, any, &size)) != 0) return;
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    port = ntohs(v4->sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    port = ntohs(v6->sin6_port);
  }
  ip = text;
}

}  // namespace

Connection::Connection(int socket, SSL_CTX* tls, const ConnectionLimits& limits,
                       const std::atomic<bool>& stopping)
    : socket_(socket), limits_(limits), stopping_(stopping) {
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  fcntl(socket_, F_SETFD, FD_CLOEXEC);  // jobs are child processes
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // a token is worth a packet
  if (!tls) return;
  tls_ = SSL_new(tls);
  if (!tls_ || SSL_set_fd(tls_, socket_) != 1) failed_ = true;
}

Connection::~Connection() {
  if (tls_) {
    if (!failed_) SSL_shutdown(tls_);
    SSL_free(tls_);
  }
  ::shutdown(socket_, SHUT_RDWR);
  ::close(socket_);
}

bool Connection::begin() {
  if (!tls_) return !failed_;
  const auto end = Clock::now() + limits_.header;
  while (!failed_) {
    ERR_clear_error();
    const int result = SSL_accept(tls_);
    if (result == 1) return true;
    if (tls_result(result) != -1 || Clock::now() > end || !wait(blocked_on_, limits_.header)) failed_ = true;
  }
  return false;
}

bool Connection::wait_for_request(std::chrono::milliseconds longest) {
  phase_ = Phase::idle;
  header_bytes_ = 0;
  const auto end = Clock::now() + longest;
  while (at_ == buffer_.size() && !fill(kIdlePoll)) {
    if (over() || stopping_ || Clock::now() > end) return false;
  }
  phase_ = Phase::headers;
  deadline_ = Clock::now() + limits_.header;
  return true;
}

void Connection::headers_done() {
  phase_ = Phase::body;
  deadline_ = Clock::now() + limits_.body;
}

void Connection::linger() {
  if (failed_) return;
  if (!tls_) ::shutdown(socket_, SHUT_WR);
  const auto end = Clock::now() + kLinger;
  for (size_t taken = 0; taken < kLingerBytes && Clock::now() < end; taken += buffer_.size()) {
    at_ = buffer_.size();
    if (!fill(kIdlePoll) && over()) return;
  }
}

bool Connection::gone() const {
  if (failed_) return true;
  pollfd entry{socket_, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

ssize_t Connection::read(char* out, size_t size) {
  while (at_ == buffer_.size()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (over() || left.count() <= 0 || !fill(std::min(left, limits_.stall))) return -1;
  }
  const size_t count = std::min(size, buffer_.size() - at_);
  if (phase_ == Phase::headers && (header_bytes_ += count) > limits_.header_bytes) {
    refuse_headers();
    return -1;
  }
  std::copy_n(buffer_.data() + at_, count, out);
  at_ += count;
  return ssize_t(count);
}

ssize_t Connection::write(const char* bytes, size_t size) {
  size_t written = 0;
  auto end = Clock::now() + limits_.stall;
  while (written < size && !failed_) {
    const ssize_t count = send(bytes + written, size - written);
    if (count > 0) {
      written += size_t(count);
      end = Clock::now() + limits_.stall;
    } else if (count != -1 || Clock::now() > end || !wait(blocked_on_, limits_.stall)) {
      failed_ = true;
    }
  }
  return failed_ ? -1 : ssize_t(size);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  address(true, socket_, ip, port);
}
void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  address(false, socket_, ip, port);
}

bool Connection::wait(short events, std::chrono::milliseconds longest) const {
  pollfd entry{socket_, events, 0};
  int ready;
  do {
    ready = ::poll(&entry, 1, int(longest.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

bool Connection::fill(std::chrono::milliseconds longest) {
  buffer_.resize(kBlock);
  at_ = 0;
  ssize_t count = receive(buffer_.data(), kBlock);
  if (count == -1 && wait(blocked_on_, longest)) count = receive(buffer_.data(), kBlock);
  buffer_.resize(count > 0 ? size_t(count) : 0);
  if (count == 0) ended_ = true;
  if (count == -2) failed_ = true;
  return count > 0;
}

ssize_t Connection::receive(char* out, size_t size) {
  if (tls_) {
    ERR_clear_error();
    const int result = SSL_read(tls_, out, int(size));
    return result > 0 ? result : tls_result(result);
  }
  blocked_on_ = POLLIN;
  const ssize_t count = ::recv(socket_, out, size, 0);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : -2;
}

ssize_t Connection::send(const char* bytes, size_t size) {
  if (tls_) {
    ERR_clear_error();
    // A write that could not be finished is tried again with the same bytes.
    const int result = SSL_write(tls_, bytes, int(std::min<size_t>(size, kBlock)));
    return result > 0 ? result : tls_result(result);
  }
  blocked_on_ = POLLOUT;
  const ssize_t count = ::send(socket_, bytes, size, MSG_NOSIGNAL);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : -2;
}

ssize_t Connection::tls_result(int result) const {
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      blocked_on_ = POLLIN;
      return -1;
    case SSL_ERROR_WANT_WRITE:
      blocked_on_ = POLLOUT;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      return -2;
  }
}

void Connection::refuse_headers() {
  const std::string response = too_large();
  write(response.data(), response.size());
  linger();
  failed_ = true;
}

}  // namespace nibble
