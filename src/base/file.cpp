#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace nibble {

namespace {

std::string last_error() {
  return std::strerror(errno);
}

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// A new name outlives a power cut only when its directory is on the disk too. Not every file system can.
void sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

std::string megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", double(bytes) / 1e6);
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

std::filesystem::path OutputFile::target(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_symlink(path, ignored) ? std::filesystem::weakly_canonical(path) : path;
}

std::filesystem::path OutputFile::partial(const std::filesystem::path& path) {
  std::filesystem::path name = target(path);
  return name += ".partial";
}

OutputFile::OutputFile(const std::filesystem::path& path, Incomplete incomplete)
    : path_(target(path)), incomplete_(incomplete) {
  namespace fs = std::filesystem;
  if (path_.filename().empty()) fail("cannot write '{}': name a file", path_.string());
  std::error_code ignored;
  const fs::file_status there = fs::status(path_, ignored);
  if (fs::is_directory(there)) fail("cannot write {}: it is a directory; name a file", path_.string());
  if (fs::exists(there) && !fs::is_regular_file(there)) {
    fail("cannot write {}: it is not a regular file; name another", path_.string());
  }
  open_temporary();
  if (fd_ < 0) fail("cannot write {}: {}", path_.string(), last_error());
}

void OutputFile::open_temporary() {
  constexpr mode_t kMode = 0644;
  if (incomplete_ == Incomplete::kept) {
    named_ = true;
    temporary_ = partial(path_);
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
    return;
  }
  temporary_ = path_;
  static std::atomic<unsigned> count{0};  // threads may write to the same target
  temporary_ += fmt::format(".{}-{}.partial", ::getpid(), count++);
  fd_ = ::open(directory_of(path_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode);
  if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    named_ = true;
    fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kMode);
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    if (named_ && incomplete_ == Incomplete::removed) ::unlink(temporary_.c_str());
  }
}

void OutputFile::plan(uint64_t bytes) {
  planned_ = bytes;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory_of(path_), error);
  const uint64_t needed = bytes - std::min(bytes, position_);
  if (error || space.available >= needed) return;
  fail("cannot write {}: it needs {} and the disk has {} left; make room, or name a file on another disk",
       path_.string(), megabytes(needed), megabytes(space.available));
}

/// A file-size limit (ulimit -f) is met as a full disk is.
void OutputFile::fail_write(int error) const {
  if (error != ENOSPC && error != EDQUOT && error != EFBIG) {
    fail("cannot write {}: {}", path_.string(), std::strerror(error));
  }
  const std::string needed =
      planned_ > position_ ? fmt::format(" with {} still to be written", megabytes(planned_ - position_))
                           : "";
  fail("cannot write {}: {}{}; make room, or name a file on another disk{}", path_.string(),
       std::strerror(error), needed,
       incomplete_ == Incomplete::kept ? "; what is written is kept for the next run" : "");
}

void OutputFile::write(std::span<const std::byte> bytes) {
  write_at(position_, bytes);
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
      fail_write(errno);
    }
    bytes = bytes.subspan(size_t(written));
    offset += uint64_t(written);
  }
}

void OutputFile::truncate(uint64_t position) {
  if (::ftruncate(fd_, off_t(position)) != 0) fail_write(errno);
  position_ = position;
}

void OutputFile::sync() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail_write(errno);
}

/// Gives a file without a name its own: open(2) has the way to do so without privileges.
bool OutputFile::link_as(const std::filesystem::path& name) const {
  const std::string open_file = fmt::format("/proc/self/fd/{}", fd_);
  return ::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

void OutputFile::commit() {
  sync();
  if (!named_) {
    // In one step where nothing is there: a process that is killed between two would leave the first's name.
    if (link_as(path_)) {
      ::close(std::exchange(fd_, -1));
      return sync_directory(directory_of(path_));
    }
    // A link can't replace a file, so rename(2) does.
    if (errno != EEXIST || !link_as(temporary_)) fail("cannot write {}: {}", path_.string(), last_error());
    named_ = true;
  }
  ::close(std::exchange(fd_, -1));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string why = last_error();
    if (incomplete_ == Incomplete::removed) ::unlink(temporary_.c_str());
    fail("cannot rename {} to {}: {}", temporary_.string(), path_.string(), why);
  }
  sync_directory(directory_of(path_));
}

FileLock::FileLock(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail("cannot write {}: {}", path.string(), last_error());
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return;  // some file systems have no locks
  ::close(fd_);
  fail("{} is in use: another run is writing the same file; wait for it, or name another file",
       path.string());
}

FileLock::~FileLock() {
  ::close(fd_);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path)) {
    fail("cannot open {}: {}", path.string(), stream ? "it is a directory" : last_error());
  }
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string read_text_file(const std::filesystem::path& path) {
  std::string text = read_file(path);
  const size_t bad = std::min(find_invalid_utf8(text), text.find('\0'));
  if (bad >= text.size()) return text;
  fail("{}: at byte {} it is no UTF-8 text; convert it, or name a text file", path.string(), bad);
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace nibble
