#include "passthrough.h"

#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <utility>

namespace fuse_native {

namespace {

// From Linux 6.9's linux/fuse.h; older headers lack them.
constexpr uint32_t kInitExtended = uint32_t{1} << 30;
constexpr uint32_t kPassthrough2 = uint32_t{1} << 5;
constexpr uint32_t kOpenPassthrough = uint32_t{1} << 7;
constexpr uint32_t kStackDepth = 1;

struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, uint32_t);

struct OpenOut {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
static_assert(sizeof(OpenOut) == sizeof(fuse_open_out), "fuse_open_out has the size it always had");

constexpr size_t kFlags2 = offsetof(fuse_init_out, flags2);
constexpr size_t kMaxStackDepth = kFlags2 + sizeof(uint32_t);

// Between two looks at whether a file is still mapped: most are not when their handle goes, a few are for long.
constexpr auto kFirstLook = std::chrono::milliseconds(1);
constexpr auto kLastLook = std::chrono::milliseconds(1000);

int openBacking(int device, int fd, int32_t& id) {
  BackingMap map{fd, 0, 0};
  id = ::ioctl(device, kBackingOpen, &map);
  return id > 0 ? 0 : errno;
}

void closeBacking(int device, int32_t id) {
  auto number = static_cast<uint32_t>(id);
  // Refused only when the connection is gone, and the id with it.
  ::ioctl(device, kBackingClose, &number);
}

std::string whyNot(int error) {
  switch (error) {
    case EPERM:
      return "needs CAP_SYS_ADMIN outside of user namespaces";
    case ELOOP:
      return "the cache is on a stacked filesystem such as overlayfs";
    case ENOTTY:
    case ENOSYS:
    case EINVAL:
    case EOPNOTSUPP:
      return "the kernel has no passthrough for these files";
    default:
      return std::string("refused by the kernel: ") + std::strerror(error);
  }
}

OpenOut openOut(const OpenedFile& file) { return {file.number, file.flags, file.backing}; }

void splitSeconds(double seconds, uint64_t& whole, uint32_t& rest) {
  const double limited = std::min(std::max(seconds, 0.0), 1e9);
  whole = static_cast<uint64_t>(limited);
  rest = static_cast<uint32_t>((limited - std::floor(limited)) * 1e9);
}

fuse_entry_out entryOut(const fuse_entry_param& entry) {
  fuse_entry_out out{};
  const struct stat& st = entry.attr;
  out.nodeid = entry.ino;
  out.generation = entry.generation;
  splitSeconds(entry.entry_timeout, out.entry_valid, out.entry_valid_nsec);
  splitSeconds(entry.attr_timeout, out.attr_valid, out.attr_valid_nsec);
  out.attr.ino = st.st_ino;
  out.attr.size = static_cast<uint64_t>(st.st_size);
  out.attr.blocks = static_cast<uint64_t>(st.st_blocks);
  out.attr.atime = static_cast<uint64_t>(st.st_atim.tv_sec);
  out.attr.atimensec = static_cast<uint32_t>(st.st_atim.tv_nsec);
  out.attr.mtime = static_cast<uint64_t>(st.st_mtim.tv_sec);
  out.attr.mtimensec = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  out.attr.ctime = static_cast<uint64_t>(st.st_ctim.tv_sec);
  out.attr.ctimensec = static_cast<uint32_t>(st.st_ctim.tv_nsec);
  out.attr.mode = st.st_mode;
  out.attr.nlink = static_cast<uint32_t>(st.st_nlink);
  out.attr.uid = st.st_uid;
  out.attr.gid = st.st_gid;
  out.attr.rdev = static_cast<uint32_t>(st.st_rdev);
  out.attr.blksize = static_cast<uint32_t>(st.st_blksize);
  return out;
}

}  // namespace

void Passthrough::answerInit(uint32_t flags, uint32_t flags2, void* answer, size_t length) {
  std::lock_guard lock(mutex_);
  if (!wanted_) return;
  const bool offered = (flags & kInitExtended) != 0 && (flags2 & kPassthrough2) != 0;
  if (!offered || length < kMaxStackDepth + sizeof(uint32_t)) {
    reason_ = "the kernel has no passthrough (Linux 6.9 has)";
    return;
  }
  auto* bytes = static_cast<char*>(answer);
  auto add = [&](size_t at, uint32_t bits) {
    uint32_t value = 0;
    std::memcpy(&value, bytes + at, sizeof value);
    value |= bits;
    std::memcpy(bytes + at, &value, sizeof value);
  };
  add(offsetof(fuse_init_out, flags), kInitExtended);
  add(kFlags2, kPassthrough2);
  add(kMaxStackDepth, kStackDepth);
  agreed_ = true;
}

void Passthrough::initialised(int device) {
  std::lock_guard lock(mutex_);
  if (!agreed_) return;
  device_ = device;
  const int memory = ::memfd_create("passthrough", MFD_CLOEXEC);
  int32_t id = 0;
  const int error = memory < 0 ? errno : openBacking(device, memory, id);
  if (memory >= 0) ::close(memory);
  if (error != 0) return offLocked(whyNot(error));
  closeBacking(device, id);
  reason_.clear();
  on_ = true;
}

void Passthrough::offLocked(std::string reason) {
  on_ = false;
  reason_ = std::move(reason);
}

std::string Passthrough::reason() {
  std::lock_guard lock(mutex_);
  return reason_;
}

void Passthrough::attach(Handle& handle, bool mayPass, OpenedFile& file) {
  Content& body = *handle.content->body;
  Opening opening{handle.access, this, mayPass && on_};
  // One at a time: what this one decides holds for all that come after it.
  std::lock_guard lock(mutex_);
  if (opening.mayPass && !leases_) {
    const int error = body.exclusive();
    leases_ = error == 0 || error == EAGAIN;
    if (!leases_) offLocked("the cache's filesystem has no leases");
    opening.mayPass = leases_;
  }
  handle.mode = body.attach(opening);
  if (handle.mode == IoMode::Passthrough) {
    if (const int error = holdLocked(handle.content, file.backing)) {
      // Nobody else passes through, else the id were there.
      offLocked(whyNot(error));
      body.detach(handle.mode, handle.access, false);
      handle.mode = body.attach();
    }
  }
  if (handle.mode == IoMode::Passthrough) file.flags = kOpenPassthrough;
  if (handle.mode == IoMode::Direct) file.flags = FOPEN_DIRECT_IO;
}

int Passthrough::holdLocked(const ContentPtr& content, int32_t& id) {
  auto known = backings_.find(content.get());
  if (known == backings_.end()) {
    if (const int error = openBacking(device_, content->body->file()->fd(), id)) return error;
    known = backings_.emplace(content.get(), Backing{id, 0}).first;
  }
  known->second.users += 1;
  id = known->second.id;
  return 0;
}

void Passthrough::letGoLocked(const ContentPtr& content) {
  const auto known = backings_.find(content.get());
  if (known == backings_.end() || --known->second.users > 0) return;
  closeBacking(device_, known->second.id);
  backings_.erase(known);
}

bool Passthrough::detach(const Handle& handle, bool abandoned) {
  if (handle.mode == IoMode::Passthrough) {
    std::lock_guard lock(mutex_);
    letGoLocked(handle.content);
  }
  // Without our lock: it may wait for a write(2) to end. Whoever opens meanwhile passes through with an id of his own;
  // the kernel has none for the inode any more when this was its last handle.
  return handle.content->body->detach(handle.mode, handle.access, abandoned);
}

bool Passthrough::mayBeMapped(const Handle& handle) {
  return handle.mode == IoMode::Passthrough && handle.access == Access::ReadWrite &&
         handle.content->body->exclusive() != 0;
}

bool Passthrough::keep(std::shared_ptr<Handle> handle) {
  std::lock_guard lock(mutex_);
  kept_.push_back(std::move(handle));
  changed_.notify_all();
  return !std::exchange(keeping_, true);
}

void Passthrough::runKeeper(const std::function<void(const std::shared_ptr<Handle>&)>& gone) {
  auto wait = kFirstLook;
  std::unique_lock lock(mutex_);
  while (!kept_.empty()) {
    const size_t before = kept_.size();
    changed_.wait_for(lock, wait);
    wait = kept_.size() > before ? kFirstLook : std::min(wait * 4, kLastLook);
    std::vector<std::shared_ptr<Handle>> over;
    for (size_t i = 0; i < kept_.size();) {
      if (mayBeMapped(*kept_[i])) {
        i++;
        continue;
      }
      over.push_back(std::move(kept_[i]));
      kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    lock.unlock();
    for (const auto& handle : over) gone(handle);
    lock.lock();
  }
  keeping_ = false;
}

std::vector<std::shared_ptr<Handle>> Passthrough::takeKept() {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
  return std::exchange(kept_, {});
}

int Passthrough::replyOpen(fuse_req_t request, const OpenedFile& file) {
  const OpenOut out = openOut(file);
  return fuse_reply_buf(request, reinterpret_cast<const char*>(&out), sizeof out);
}

int Passthrough::replyCreate(fuse_req_t request, const fuse_entry_param& entry, const OpenedFile& file) {
  struct {
    fuse_entry_out entry;
    OpenOut open;
  } out{entryOut(entry), openOut(file)};
  static_assert(sizeof out == sizeof(fuse_entry_out) + sizeof(OpenOut), "the two follow each other");
  return fuse_reply_buf(request, reinterpret_cast<const char*>(&out), sizeof out);
}

}  // namespace fuse_native
