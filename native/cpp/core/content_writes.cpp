#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "content.h"
#include "fields.h"

namespace fuse_native {

bool Content::permitted() {
  std::lock_guard lock(state_);
  return permitted_ || closed_;
}

void Content::permit() {
  std::lock_guard lock(state_);
  modified_ = true;
  permitted_ = true;
}

void Content::beginChange() {
  std::lock_guard lock(state_);
  changes_ += 1;
}

void Content::endChange() {
  std::lock_guard lock(state_);
  changes_ -= 1;
}

void Content::changedLocked() {
  generation_ += 1;
  modified_ = true;
  mtimeMoved_ = true;
  ::clock_gettime(CLOCK_REALTIME, &mtime_);
  permitted_ = true;
}

ssize_t Content::write(const char* bytes, size_t length, uint64_t offset, std::vector<WaiterId>& released) {
  if (length == 0) return 0;
  if (!isExact(offset + length)) return -EFBIG;
  std::lock_guard changing(changing_);
  beginChange();
  std::shared_ptr<BackingFile> file;
  if (const int error = prepareChange(valid_, UINT64_MAX, file)) {
    endChange();
    return -error;
  }
  return apply(*file, bytes, length, offset, released);
}

ssize_t Content::writeNow(const char* bytes, size_t length, uint64_t offset, std::vector<WaiterId>& released) {
  if (length == 0) return 0;
  if (!isExact(offset + length)) return -EFBIG;
  const std::unique_lock changing(changing_, std::try_to_lock);
  if (!changing.owns_lock()) return -EAGAIN;
  std::shared_ptr<BackingFile> file;
  {
    std::lock_guard lock(state_);
    if (closed_) return -EBADF;
    if (!permitted_ || (frozen_ && !copied_)) return -EAGAIN;
    changes_ += 1;
    file = file_;
  }
  return apply(*file, bytes, length, offset, released);
}

uint64_t Content::roomFor(uint64_t length) {
  std::lock_guard lock(state_);
  return length + (frozen_ && !copied_ ? size_ : 0);
}

ssize_t Content::apply(const BackingFile& file, const char* bytes, size_t length, uint64_t offset,
                       std::vector<WaiterId>& released) {
  const ssize_t n = file.write(bytes, length, offset);
  std::lock_guard lock(state_);
  changes_ -= 1;
  if (n <= 0) return n;
  const uint64_t end = offset + static_cast<uint64_t>(n);
  // Bytes between the old end and the write read as zeros: a hole that is part of the content.
  const uint64_t start = offset > size_ ? size_ : offset;
  valid_.add(start, end);
  dirty_.add(start, end);
  size_ = std::max(size_, end);
  changedLocked();
  releaseLocked(start, end, released);
  return n;
}

int Content::truncate(uint64_t size, std::vector<WaiterId>& released) {
  std::lock_guard changing(changing_);
  std::shared_ptr<BackingFile> file;
  if (const int refused = prepareChange(valid_, size, file)) return refused;
  {
    std::lock_guard lock(state_);
    truncations_ += 1;
  }
  const int error = file->truncate(size);
  std::lock_guard lock(state_);
  truncations_ += 1;
  if (error != 0) return error;
  if (size > size_) {
    valid_.add(size_, size);
    dirty_.add(size_, size);
  } else {
    valid_.clip(size);
    dirty_.clip(size);
    requested_.clip(size);
  }
  const uint64_t oldSize = std::exchange(size_, size);
  changedLocked();
  // Longer, this is what was added; shorter, nobody gets what was cut off.
  releaseLocked(std::min(oldSize, size), UINT64_MAX, released);
  return 0;
}

int Content::allocate(int mode, uint64_t offset, uint64_t length, std::vector<WaiterId>& released) {
  const bool punching = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
  const bool zeroing = mode == FALLOC_FL_ZERO_RANGE || mode == (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
  if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && !punching && !zeroing) return EOPNOTSUPP;
  if (length == 0) return EINVAL;
  std::lock_guard changing(changing_);
  const bool keepsSize = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const uint64_t oldSize = size();
  const uint64_t end = offset + length;
  const bool grows = !keepsSize && end > oldSize;
  if (grows && !isExact(end)) return EFBIG;
  std::shared_ptr<BackingFile> file;
  if (!grows && !punching && !zeroing) {
    // Reserving blocks changes no byte, so a frozen file may stay.
    {
      std::lock_guard lock(state_);
      file = file_;
    }
    return punch(*file, mode, offset, length);
  }
  if (const int error = prepareChange(valid_, UINT64_MAX, file)) return error;
  const uint64_t zeroEnd = std::min(end, oldSize);
  if ((punching || zeroing) && offset < zeroEnd) {
    const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (const int error = punch(*file, hole, offset, zeroEnd - offset)) return error;
  }
  if (grows) {
    if (const int error = zeroing ? file->truncate(end) : punch(*file, 0, offset, length)) {
      // A reservation that ran out of space may have grown the file: the content did not.
      const int undone = file->truncate(oldSize);
      return undone != 0 ? undone : error;
    }
  }
  std::lock_guard lock(state_);
  if ((punching || zeroing) && offset < zeroEnd) {
    valid_.add(offset, zeroEnd);
    dirty_.add(offset, zeroEnd);
    releaseLocked(offset, zeroEnd, released);
  }
  if (grows) {
    valid_.add(oldSize, end);
    dirty_.add(oldSize, end);
    size_ = end;
    releaseLocked(oldSize, end, released);
  }
  changedLocked();
  return 0;
}

int Content::punch(const BackingFile& file, int mode, uint64_t offset, uint64_t length) {
  while (::fallocate(file.fd(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int Content::sync() {
  std::shared_ptr<BackingFile> file;
  {
    std::lock_guard lock(state_);
    if (closed_) return EBADF;
    file = file_;
  }
  return file->sync();
}

}  // namespace fuse_native
