#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace nibble {

namespace {

std::string last_error() {
  return std::strerror(errno);
}

void write_all(int fd, const std::byte* data, size_t size, const std::filesystem::path& path) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("cannot write {}: {}", path.string(), last_error());
    }
    data += written;
    size -= size_t(written);
  }
}

/// A part of a mapping widened or narrowed to whole pages.
std::span<std::byte> whole_pages(std::span<const std::byte> part, bool inside) {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE));
  auto* begin = const_cast<std::byte*>(part.data());
  auto* end = begin + part.size();
  const uintptr_t before = reinterpret_cast<uintptr_t>(begin) % page;  // the bytes since the page began
  begin = inside ? begin + (page - before) % page : begin - before;
  if (inside) end -= reinterpret_cast<uintptr_t>(end) % page;
  if (end <= begin) return {};
  return {begin, size_t(end - begin)};
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot open {}: {}", path.string(), last_error());
  struct stat status {};
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular || status.st_size == 0) {
    ::close(fd);
    fail("{} is {}", path.string(), regular ? "empty" : "not a regular file");
  }
  size_ = size_t(status.st_size);
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
  const int map_error = errno;
  ::close(fd);
  if (mapped == MAP_FAILED) fail("cannot map {}: {}", path.string(), std::strerror(map_error));
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::will_need(std::span<const std::byte> part) const {
  const auto pages = whole_pages(part, false);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_WILLNEED);
}

void MappedFile::advise_huge_pages(std::span<const std::byte> part) const {
  const auto pages = whole_pages(part, false);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_HUGEPAGE);
}

void MappedFile::populate(std::span<const std::byte> part) const {
  constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ of Linux 5.14; older headers lack the name
  const auto pages = whole_pages(part, false);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), kPopulateRead);
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto pages = whole_pages(part, true);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_DONTNEED);
}

OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  namespace fs = std::filesystem;
  if (path_.filename().empty()) fail("cannot write '{}': name a file", path_.string());
  std::error_code ignored;
  if (fs::is_symlink(path_, ignored)) path_ = fs::weakly_canonical(path_);
  const fs::file_status there = fs::status(path_, ignored);
  if (fs::is_directory(there)) fail("cannot write {}: it is a directory; name a file", path_.string());
  if (fs::exists(there) && !fs::is_regular_file(there)) {
    fail("cannot write {}: it is not a regular file; name another", path_.string());
  }
  temporary_ = path_;
  static std::atomic<unsigned> count{0};  // threads may write to the same target
  temporary_ += fmt::format(".{}-{}.partial", ::getpid(), count++);
  const fs::path directory = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  fd_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    named_ = true;
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  }
  if (fd_ < 0) fail("cannot write {}: {}", path_.string(), last_error());
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    if (named_) ::unlink(temporary_.c_str());
  }
}

void OutputFile::write(std::span<const std::byte> bytes) {
  write_all(fd_, bytes.data(), bytes.size(), path_);
  position_ += bytes.size();
}

void OutputFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void OutputFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), off_t(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("cannot write {}: {}", path_.string(), last_error());
    }
    bytes = bytes.subspan(size_t(written));
    offset += uint64_t(written);
  }
}

void OutputFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail("cannot write {}: {}", path_.string(), last_error());
  if (!named_) {
    // open(2): the way to name a file of O_TMPFILE without privileges. It can't replace, so rename(2) does.
    const std::string open_file = fmt::format("/proc/self/fd/{}", fd_);
    if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      fail("cannot write {}: {}", path_.string(), last_error());
    }
    named_ = true;
  }
  ::close(std::exchange(fd_, -1));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = last_error();
    ::unlink(temporary_.c_str());
    fail("cannot rename {} to {}: {}", temporary_.string(), path_.string(), why);
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path)) {
    fail("cannot open {}: {}", path.string(), stream ? "it is a directory" : last_error());
  }
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace nibble
