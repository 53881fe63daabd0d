// For tests/test_resume.py: a library that is preloaded, and lets file operations go wrong. FAULT is
//   kill:N    the process is killed at the N-th operation; a write is done by half before
//   full:N    writes fail from the N-th operation on, as on a full disk
//   space:N   the disk says that N bytes are left
//   hold:END  once a file has got a name with this end, the process waits for a signal
#include <dlfcn.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

/// The number of a fault of this kind, or 0.
long fault(const char* kind) {
  const char* value = std::getenv("FAULT");
  const size_t length = std::strlen(kind);
  if (value == nullptr || std::strncmp(value, kind, length) != 0) return 0;
  return std::atol(value + length);
}

long operation() {
  static std::atomic<long> count{0};
  return ++count;
}

void kill_at(long number) {
  if (number == fault("kill:")) raise(SIGKILL);
}

void hold_behind(const char* name) {
  constexpr std::string_view kKind = "hold:";
  const char* value = std::getenv("FAULT");
  if (value == nullptr || !std::string_view(value).starts_with(kKind)) return;
  while (std::string_view(name).ends_with(value + kKind.size())) pause();
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  const auto real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const long number = operation();
  if (number == fault("kill:")) real(fd, data, size / 2, offset);
  kill_at(number);
  if (const long full = fault("full:"); full > 0 && number >= full) {
    errno = ENOSPC;
    return -1;
  }
  return real(fd, data, size, offset);
}

int fsync(int fd) {
  kill_at(operation());
  return next<int(int)>("fsync")(fd);
}

int ftruncate(int fd, off_t size) noexcept {
  kill_at(operation());
  return next<int(int, off_t)>("ftruncate")(fd, size);
}

int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags) noexcept {
  kill_at(operation());
  const int status =
      next<int(int, const char*, int, const char*, int)>("linkat")(from_fd, from, to_fd, to, flags);
  if (status == 0) hold_behind(to);
  return status;
}

int rename(const char* from, const char* to) noexcept {
  kill_at(operation());
  const int status = next<int(const char*, const char*)>("rename")(from, to);
  if (status == 0) hold_behind(to);
  return status;
}

int remove(const char* path) noexcept {
  kill_at(operation());
  return next<int(const char*)>("remove")(path);
}

int statvfs(const char* path, struct statvfs* result) noexcept {
  const int status = next<int(const char*, struct statvfs*)>("statvfs")(path, result);
  if (const long space = fault("space:")) result->f_bavail = fsblkcnt_t(space) / result->f_frsize;
  return status;
}

}  // extern "C"
