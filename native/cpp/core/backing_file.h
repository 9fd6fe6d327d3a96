// An open descriptor of a content's backing file, shared by everybody who reads or writes through it. It closes with
// its last user, so replacing the file of a content (copy on write) never pulls a descriptor from under a reader.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

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
  /// 0 or an errno.
  int stat(struct stat& out) const;
  /// Sets the mtime and nothing else. Waits for a write(2) that is under way (both take the inode's lock). 0 or an
  /// errno.
  int setTime(timespec mtime) const;
  /// 0 when no other open file and no mapping of the inode exists, anywhere; EAGAIN when there is one; another errno
  /// when the filesystem has no leases (fcntl(2), F_SETLEASE) or we may not have them.
  int exclusive() const;

  /// Makes `to` hold the same bytes within `ranges`: a reflink where the filesystem has it, else a copy of the data
  /// that leaves holes. `size` is the size of the copy. 0 or an errno.
  int copyTo(const BackingFile& to, uint64_t size, const std::vector<Extent>& ranges) const;

 private:
  int copyRange(const BackingFile& to, Extent range) const;

  const int fd_;
};

/// Gives the path a copy of its file (synced) when somebody else has it open; `copied` tells. 0 or an errno; nothing to
/// do when there is no file or the filesystem cannot tell.
int ownFile(const std::string& path, bool& copied);

}  // namespace fuse_native
