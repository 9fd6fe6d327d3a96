// Passthrough: the kernel serves handles from the backing file, without asking us.
//
// When. All handles that are open at a time have to be served alike, so the first one decides, for as long as any is
// open. It passes through only when every byte is here and nothing is under way that would change the file or put
// another one in its place. A first handle that could be mapped for writing never does: its mapping would outlive its
// release without a trace. One that comes later has to.
//
// What was written. The file's mtime is set to a mark when the first writer comes. Whatever the kernel writes moves the
// mtime away from the mark before it touches bytes, write(2) within the inode's lock, a mapping at the first store to a
// page. Taking the mark looks whether it is gone, sets it again, and then counts a generation: setting it takes the
// inode's lock, so a write(2) is either over, and belongs to that generation, or has not begun, and removes the mark
// again. It does not depend on the resolution of the clock.
//
// Mappings. A page that was stored to stays writable until it is written back, so a mapping may change it after the
// mark was taken without removing it. Therefore a content that had a mappable writer, and whose mark was taken
// meanwhile, counts one more generation when its last writer is gone. A mapping keeps the backing file open, not the
// kernel's handle: whoever releases such a writer first waits until `exclusive` says that nobody has the file open.
//
// Not seen: asynchronous direct I/O that is still under way when its descriptor is closed and a flush was taken since
// it began, on a descriptor that was not opened with O_RDWR.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "content.h"

namespace fuse_native {

namespace {

// No clock says this, and every filesystem can store it: one second after the epoch.
constexpr timespec kMark = {1, 0};

bool isMark(const timespec& time) { return time.tv_sec == kMark.tv_sec && time.tv_nsec == kMark.tv_nsec; }

}  // namespace

bool Content::mayBeginLocked(const Opening& opening) {
  // A write that waits, for permission or its turn, counts among the changes.
  const bool quiet = changes_ == 0 && waiters_.empty() && !closed_ && !(frozen_ && !copied_);
  const bool worth = opening.access == Access::Write || (opening.access == Access::Read && size_ >= kPassthroughSize);
  return opening.mayPass && worth && quiet && handles_ == 0 && valid_.covers(0, size_);
}

IoMode Content::attach(const Opening& opening) {
  const bool writes = opening.access != Access::Read;
  std::unique_lock marking(marking_, std::defer_lock);
  bool first = false;
  while (true) {
    std::unique_lock lock(state_);
    if (passing_ == 0 && !mayBeginLocked(opening)) {
      handles_ += 1;
      return IoMode::Cached;
    }
    if (passing_ > 0 && passer_ != opening.session) {
      handles_ += 1;
      return IoMode::Direct;
    }
    // Nobody may write before the mark is set; once it is, a long write(2) must not keep others from opening.
    if (writes && !armed_ && !marking.owns_lock()) {
      lock.unlock();
      marking.lock();
      continue;
    }
    handles_ += 1;
    passing_ += 1;
    passer_ = opening.session;
    if (!writes) return IoMode::Passthrough;
    if (opening.access == Access::ReadWrite) mappable_ = true;
    first = outsideWriters_ == 0;
    outsideWriters_ += 1;
    break;
  }
  if (!first || arm()) return IoMode::Passthrough;
  std::lock_guard lock(state_);
  if (passing_ > 1) {
    // Readers pass through already, so this one has to: without a mark, every look finds a change.
    armed_ = true;
    return IoMode::Passthrough;
  }
  passing_ = 0;
  outsideWriters_ = 0;
  mappable_ = false;
  return IoMode::Cached;
}

bool Content::arm() {
  std::shared_ptr<BackingFile> file = this->file();
  if (file->setTime(kMark) != 0) return false;
  armed_ = true;
  return true;
}

void Content::look() {
  if (!armed_) return;
  std::shared_ptr<BackingFile> file;
  uint64_t generation = 0;
  {
    std::lock_guard lock(state_);
    file = file_;
    generation = generation_;
  }
  struct stat st {};
  if (file->stat(st) != 0) return;
  std::lock_guard lock(state_);
  if (generation_ != generation || changes_ > 0 || !armed_) return;
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size > size_) {
    valid_.add(size_, size);
    dirty_.add(size_, size);
    size_ = size;
  }
  if (isMark(st.st_mtim)) return;
  mtime_ = st.st_mtim;
  mtimeMoved_ = true;
}

void Content::takeMark() {
  if (!armed_) return;
  std::lock_guard marking(marking_);
  takeMarkLocked();
}

bool Content::takeMarkLocked() {
  if (!armed_) return false;
  const std::shared_ptr<BackingFile> file = this->file();
  struct stat st {};
  const bool seen = file->stat(st) == 0;
  if (seen && isMark(st.st_mtim)) return false;
  const timespec written = st.st_mtim;
  // When the mark cannot be set the next look finds a change again, which is one too many and none too few.
  const bool marked = file->setTime(kMark) == 0;
  const bool measured = marked && file->stat(st) == 0;
  std::lock_guard lock(state_);
  if (measured && changes_ == 0) size_ = std::max(size_, static_cast<uint64_t>(st.st_size));
  valid_.add(0, size_);
  dirty_.add(0, size_);
  changedLocked();
  if (seen) mtime_ = written;
  if (mappable_) unsure_ = true;
  return true;
}

bool Content::detach(IoMode mode, Access access, bool abandoned) {
  if (mode != IoMode::Passthrough || access == Access::Read) {
    std::lock_guard lock(state_);
    handles_ -= 1;
    if (mode == IoMode::Passthrough) passing_ -= 1;
    return false;
  }
  std::lock_guard marking(marking_);
  bool changed = takeMarkLocked();
  std::shared_ptr<BackingFile> restore;
  timespec mtime{};
  {
    std::lock_guard lock(state_);
    handles_ -= 1;
    passing_ -= 1;
    if (abandoned || outsideWriters_ == 1) {
      if (unsure_) {
        changedLocked();
        changed = true;
      }
      unsure_ = false;
    }
    if (abandoned) return changed;
    outsideWriters_ -= 1;
    if (outsideWriters_ > 0) return changed;
    mappable_ = false;
    armed_ = false;
    restore = file_;
    mtime = mtime_;
  }
  // Recovery tells a marked file by its mtime; without writers it is a file like any other.
  restore->setTime(mtime);
  return changed;
}

int Content::exclusive() { return file()->exclusive(); }

std::shared_ptr<BackingFile> Content::file() {
  std::lock_guard lock(state_);
  return file_;
}

int Content::copyForSnapshot(std::shared_ptr<BackingFile>& copy) {
  const std::shared_ptr<BackingFile> from = file();
  struct stat st {};
  if (const int error = from->stat(st)) return error;
  const std::string path = path_ + ".copy";
  std::shared_ptr<BackingFile> to;
  if (const int error = BackingFile::open(path, O_RDWR | O_CREAT | O_TRUNC, to)) return error;
  // Only its descriptor is used: the space goes back with it, also after a crash.
  if (::unlink(path.c_str()) != 0) return errno;
  const auto size = static_cast<uint64_t>(st.st_size);
  if (const int error = from->copyTo(*to, size, {{0, size}})) return error;
  copy = std::move(to);
  return 0;
}

}  // namespace fuse_native
