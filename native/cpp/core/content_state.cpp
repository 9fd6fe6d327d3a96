#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "content.h"

namespace fuse_native {

Content::Content(const ContentSpec& spec, std::shared_ptr<BackingFile> file)
    : path_(spec.path),
      file_(std::move(file)),
      size_(spec.size),
      mtime_(spec.mtime),
      generation_(spec.generation),
      flushedGeneration_(spec.generation),
      modified_(spec.modified),
      permitted_(spec.modified || spec.permitted) {
  if (spec.validAll) valid_.add(0, size_);
  for (const Extent& range : spec.valid) valid_.add(range.start, std::min(range.end, size_));
  for (const Extent& range : spec.dirty) {
    valid_.add(range.start, std::min(range.end, size_));
    dirty_.add(range.start, std::min(range.end, size_));
  }
}

int Content::open(const ContentSpec& spec, std::shared_ptr<Content>& out) {
  std::shared_ptr<BackingFile> file;
  if (const int error = BackingFile::open(spec.path, O_RDWR | (spec.create ? O_CREAT : 0), file)) return error;
  std::shared_ptr<Content> content(new Content(spec, file));
  const int64_t onDisk = file->size();
  if (onDisk < 0) return static_cast<int>(-onDisk);
  if (content->valid_.end() > static_cast<uint64_t>(onDisk)) return EIO;
  if (static_cast<uint64_t>(onDisk) != spec.size) {
    if (const int error = file->truncate(spec.size)) return error;
  }
  out = std::move(content);
  return 0;
}

ContentStatus Content::statusLocked() const {
  const bool complete = valid_.covers(0, size_);
  return {size_,    mtime_,           mtimeMoved_, generation_, modified_, complete,
          handles_, waiters_.size(), frozen_,     passing_,    outsideWriters_};
}

ContentStatus Content::status() {
  look();
  std::lock_guard lock(state_);
  return statusLocked();
}

ContentSnapshot Content::snapshot() {
  look();
  std::lock_guard lock(state_);
  return {statusLocked(), valid_.all(), dirty_.all()};
}

Extent Content::missing(uint64_t offset) {
  std::lock_guard lock(state_);
  return valid_.firstGap(offset, size_);
}

void Content::setTime(timespec mtime) {
  // What was written before belongs to a generation of its own, else its time would show again.
  takeMark();
  std::lock_guard lock(state_);
  mtime_ = mtime;
  mtimeMoved_ = false;
}

bool Content::markClean(uint64_t generation) {
  std::lock_guard lock(state_);
  // A change that waits for its turn is one of the next generation already.
  if (generation_ != generation || changes_ > 0 || outsideWriters_ > 0) return false;
  modified_ = false;
  permitted_ = false;
  dirty_.clear();
  return true;
}

int Content::drop(std::vector<Extent>& fetches) {
  std::lock_guard changing(changing_);
  {
    std::lock_guard lock(state_);
    if (passing_ > 0) return EBUSY;
    changes_ += 1;
  }
  const int error = dropUnchanged(fetches);
  endChange();
  return error;
}

int Content::dropUnchanged(std::vector<Extent>& fetches) {
  std::shared_ptr<BackingFile> file;
  // The bytes that come instead must not go into a frozen file either.
  if (const int error = prepareChange(dirty_, UINT64_MAX, file)) return error;
  std::lock_guard lock(state_);
  // The file keeps the old bytes until others are filled in: a reader that is under way must not get zeros.
  valid_ = dirty_;
  const auto waiters = waiters_.all();
  waiters_.clear();
  for (const auto& waiter : waiters) {
    const uint64_t end = std::max(waiter.start, std::min(waiter.end, size_));
    waiters_.add(waiter, valid_.firstGap(waiter.start, end).start);
    for (const Extent& range : requestLocked(waiter.start, end)) fetches.push_back(range);
  }
  return 0;
}

int Content::freeze(uint64_t& generation, std::shared_ptr<BackingFile>& file) {
  std::lock_guard changing(changing_);
  takeMark();
  {
    std::lock_guard lock(state_);
    if (closed_) return EBADF;
    if (frozen_) return EBUSY;
    frozen_ = true;
    // The kernel's handles stay with the inode they have: the snapshot gets another one.
    copied_ = passing_ > 0;
    generation = generation_;
    file = file_;
    if (!copied_) return 0;
  }
  const int error = copyForSnapshot(file);
  if (error != 0) thaw();
  return error;
}

int Content::thaw() {
  std::lock_guard lock(state_);
  frozen_ = false;
  copied_ = false;
  return 0;
}

int Content::prepareChange(const ExtentMap& kept, uint64_t end, std::shared_ptr<BackingFile>& file) {
  bool copy = false;
  {
    std::lock_guard lock(state_);
    if (closed_) return EBADF;
    copy = frozen_ && !copied_;
  }
  if (copy) {
    if (const int error = copyOnWrite(kept, end)) return error;
  }
  std::lock_guard lock(state_);
  file = file_;
  return 0;
}

int Content::copyOnWrite(const ExtentMap& kept, uint64_t end) {
  std::shared_ptr<BackingFile> from;
  std::vector<Extent> ranges;
  uint64_t size = 0;
  {
    std::lock_guard lock(state_);
    from = file_;
    size = size_;
    ranges = kept.within(0, end);
  }
  const std::string copyPath = path_ + ".copy";
  std::shared_ptr<BackingFile> to;
  if (const int error = BackingFile::open(copyPath, O_RDWR | O_CREAT | O_TRUNC, to)) return error;
  int error = from->copyTo(*to, size, ranges);
  // What was known to be on the disk stays so when the name means the copy.
  if (error == 0) error = to->sync();
  if (error == 0 && ::rename(copyPath.c_str(), path_.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(copyPath.c_str());
    return error;
  }
  std::lock_guard lock(state_);
  file_ = to;
  copied_ = true;
  return 0;
}

uint64_t Content::size() {
  look();
  std::lock_guard lock(state_);
  return size_;
}

uint64_t Content::generation() {
  takeMark();
  std::lock_guard lock(state_);
  return generation_;
}

bool Content::changedSinceFlush() {
  takeMark();
  std::lock_guard lock(state_);
  return generation_ != flushedGeneration_;
}

void Content::flushed(uint64_t generation) {
  std::lock_guard lock(state_);
  flushedGeneration_ = std::max(flushedGeneration_, generation);
}

uint32_t Content::handles() {
  std::lock_guard lock(state_);
  return handles_;
}

size_t Content::waiters() {
  std::lock_guard lock(state_);
  return waiters_.size();
}

void Content::close() {
  std::lock_guard lock(state_);
  closed_ = true;
}

bool Content::isClosed() {
  std::lock_guard lock(state_);
  return closed_;
}

}  // namespace fuse_native
