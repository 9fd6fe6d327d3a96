#include "backing_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace fuse_native {

BackingFile::~BackingFile() { ::close(fd_); }

int BackingFile::open(const std::string& path, int flags, std::shared_ptr<BackingFile>& out) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  out = std::make_shared<BackingFile>(fd);
  return 0;
}

int BackingFile::openAgain(int& error) const {
  const std::string path = "/proc/self/fd/" + std::to_string(fd_);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  error = fd < 0 ? errno : 0;
  return fd;
}

ssize_t BackingFile::read(void* to, size_t length, uint64_t offset) const {
  size_t done = 0;
  while (done < length) {
    const ssize_t n = ::pread(fd_, static_cast<char*>(to) + done, length - done, static_cast<off_t>(offset + done));
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

ssize_t BackingFile::write(const void* from, size_t length, uint64_t offset) const {
  size_t done = 0;
  while (done < length) {
    const ssize_t n =
        ::pwrite(fd_, static_cast<const char*>(from) + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return done > 0 ? static_cast<ssize_t>(done) : -errno;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

int BackingFile::truncate(uint64_t size) const {
  while (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int BackingFile::sync() const { return ::fdatasync(fd_) == 0 ? 0 : errno; }

int64_t BackingFile::size() const {
  struct stat st {};
  return ::fstat(fd_, &st) == 0 ? st.st_size : -errno;
}

int BackingFile::stat(struct stat& out) const { return ::fstat(fd_, &out) == 0 ? 0 : errno; }

int BackingFile::setTime(timespec mtime) const {
  const timespec times[2] = {{0, UTIME_OMIT}, mtime};
  return ::futimens(fd_, times) == 0 ? 0 : errno;
}

// A write lease is given to the only one who has the inode open; it is given back at once. Whoever opens the file in
// between waits that long, and the signal that tells us of it is one that is ignored by default.
int BackingFile::exclusive() const {
  if (::fcntl(fd_, F_SETSIG, SIGURG) != 0) return errno;
  if (::fcntl(fd_, F_SETLEASE, F_WRLCK) != 0) return errno;
  return ::fcntl(fd_, F_SETLEASE, F_UNLCK) == 0 ? 0 : errno;
}

int BackingFile::copyTo(const BackingFile& to, uint64_t size, const std::vector<Extent>& ranges) const {
  if (::ioctl(to.fd_, FICLONE, fd_) == 0) return to.truncate(size);
  if (const int error = to.truncate(size)) return error;
  for (const Extent& range : ranges) {
    uint64_t at = range.start;
    const uint64_t limit = std::min(range.end, size);
    while (at < limit) {
      const off_t data = ::lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;
      const uint64_t start = data < 0 ? at : static_cast<uint64_t>(data);
      const off_t hole = data < 0 ? -1 : ::lseek(fd_, data, SEEK_HOLE);
      const uint64_t end = hole < 0 ? limit : std::min(limit, static_cast<uint64_t>(hole));
      if (start >= limit) break;
      if (const int error = copyRange(to, {start, end})) return error;
      at = end;
    }
  }
  return 0;
}

int ownFile(const std::string& path, bool& copied) {
  copied = false;
  std::shared_ptr<BackingFile> file;
  const int missing = BackingFile::open(path, O_RDWR, file);
  if (missing != 0) return missing == ENOENT ? 0 : missing;
  if (file->exclusive() != EAGAIN) return 0;
  const int64_t size = file->size();
  if (size < 0) return static_cast<int>(-size);
  const std::string copyPath = path + ".copy";
  std::shared_ptr<BackingFile> copy;
  if (const int error = BackingFile::open(copyPath, O_RDWR | O_CREAT | O_TRUNC, copy)) return error;
  const auto length = static_cast<uint64_t>(size);
  int error = file->copyTo(*copy, length, {{0, length}});
  if (error == 0) error = copy->sync();
  if (error == 0 && ::rename(copyPath.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) ::unlink(copyPath.c_str());
  copied = error == 0;
  return error;
}

int BackingFile::copyRange(const BackingFile& to, Extent range) const {
  off_t in = static_cast<off_t>(range.start);
  off_t out = in;
  const off_t end = static_cast<off_t>(range.end);
  while (in < end) {
    const ssize_t n = ::copy_file_range(fd_, &in, to.fd_, &out, static_cast<size_t>(end - in), 0);
    if (n > 0) continue;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG)) return errno;
    break;
  }
  // copy_file_range is refused between some filesystems and by some kernels: the rest goes the ordinary way.
  std::vector<char> buffer(std::min<size_t>(static_cast<size_t>(end - in), 1 << 20));
  while (in < end) {
    const size_t want = std::min<size_t>(buffer.size(), static_cast<size_t>(end - in));
    const ssize_t got = read(buffer.data(), want, static_cast<uint64_t>(in));
    if (got <= 0) return got < 0 ? static_cast<int>(-got) : EIO;
    size_t done = 0;
    while (done < static_cast<size_t>(got)) {
      const size_t left = static_cast<size_t>(got) - done;
      const ssize_t put = to.write(buffer.data() + done, left, static_cast<uint64_t>(in) + done);
      if (put < 0) return static_cast<int>(-put);
      done += static_cast<size_t>(put);
    }
    in += got;
  }
  return 0;
}

}  // namespace fuse_native
