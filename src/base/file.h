#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace nibble {

/// A whole file mapped read-only into memory. Pages are read from disk when touched.
class MappedFile {
 public:
  /// Throws Error naming the path when it cannot be opened, is not a regular file, or is empty.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Tells the kernel that a part will be read soon, front to back.
  void will_need(std::span<const std::byte> part) const;
  /// Asks for huge pages where the file system's cache has them.
  void advise_huge_pages(std::span<const std::byte> part) const;
  /// Reads a part and maps its pages now, where the kernel can; else they come when they are touched.
  void populate(std::span<const std::byte> part) const;
  /// Gives the pages of a part back: they stay in the page cache, but leave the resident size.
  void release(std::span<const std::byte> part) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// What becomes of a file that is not complete.
enum class Incomplete {
  removed,  ///< nothing is left, even when the process is killed (where the file system has O_TMPFILE)
  kept,     ///< stays as PATH.partial, and is what the next such file begins with
};

/// A file that appears under its name when commit() is called, complete, in place of the one there.
class OutputFile {
 public:
  /// Throws Error naming the path when it can't be written or is there and not a regular file. A symbolic
  /// link stays: what it points to is replaced.
  explicit OutputFile(const std::filesystem::path& path, Incomplete incomplete = Incomplete::removed);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// What a path names: itself, or what the symbolic link there points to.
  static std::filesystem::path target(const std::filesystem::path& path);
  /// PATH.partial: the target of a path while it is not complete, and to be kept.
  static std::filesystem::path partial(const std::filesystem::path& path);

  /// Says how long the file will be, for the errors about a full disk. Throws Error when the disk has less
  /// room than what is not written yet takes.
  void plan(uint64_t bytes);
  /// Appends. Throws Error naming the path and the cause, and for a full disk how much room is needed.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Overwrites bytes that were already written, for tables whose content is known at the end.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  /// Takes back what was written from `position` on, or goes on behind what a kept file had there.
  void truncate(uint64_t position);
  /// Has what was written on the disk when it returns.
  void sync();
  uint64_t position() const { return position_; }
  /// Flushes to disk and renames to the target.
  void commit();

 private:
  void open_temporary();
  bool link_as(const std::filesystem::path& name) const;
  [[noreturn]] void fail_write(int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  Incomplete incomplete_;
  bool named_ = false;  ///< the temporary file has its name already
  int fd_ = -1;
  uint64_t position_ = 0, planned_ = 0;
};

/// Keeps others from what belongs to a path while it lives: a file that is there and locked.
class FileLock {
 public:
  /// Makes the file where it is not there. Throws Error naming the path when another process holds it.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

/// The whole content of a file. Throws Error naming the path.
std::string read_file(const std::filesystem::path& path);
/// The same of a text. Throws Error, with the offset, where it is no UTF-8 or holds a zero byte.
std::string read_text_file(const std::filesystem::path& path);

/// Writes the whole content through OutputFile.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace nibble
