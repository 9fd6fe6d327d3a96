// An open descriptor of a content's backing file, shared by everybody who reads or writes through it. It closes with
// its last user, so replacing the file of a content (copy on write) never pulls a descriptor from under a reader.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "extent_map.h"

namespace fuse_native {

class BackingFile {
 public:
  explicit BackingFile(int fd) : fd_(fd) {}
  ~BackingFile();
  BackingFile(const BackingFile&) = delete;
  BackingFile& operator=(const BackingFile&) = delete;

  /// 0 or an errno; `flags` as in open(2), O_CLOEXEC is added.
  static int open(const std::string& path, int flags, std::shared_ptr<BackingFile>& out);

  int fd() const { return fd_; }
  /// A new descriptor of the same file, for reading only, wherever its name is by now. -1 with an errno in `error`.
  int openAgain(int& error) const;
  /// Bytes read, fewer than asked only at the end of the file; negative errno.
  ssize_t read(void* to, size_t length, uint64_t offset) const;
  /// Bytes written, fewer than asked only when an error followed (the error comes with the next call); negative errno.
  ssize_t write(const void* from, size_t length, uint64_t offset) const;
  int truncate(uint64_t size) const;
  int sync() const;
  /// Size in bytes or negative errno.
  int64_t size() const;

  /// Makes `to` hold the same bytes within `ranges`: a reflink where the filesystem has it, else a copy of the data
  /// that leaves holes. `size` is the size of the copy. 0 or an errno.
  int copyTo(const BackingFile& to, uint64_t size, const std::vector<Extent>& ranges) const;

 private:
  int copyRange(const BackingFile& to, Extent range) const;

  const int fd_;
};

}  // namespace fuse_native
