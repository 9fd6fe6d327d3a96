// Answers that come from JavaScript. Each checks that the request takes this kind of reply before it takes the request
// out of the table; a refused reply leaves the request pending.
#include <fcntl.h>

#include <cerrno>
#include <cmath>

#include "session.h"

namespace fuse_native {

namespace {

constexpr uint64_t mask(std::initializer_list<Op> ops) {
  uint64_t bits = 0;
  for (const Op op : ops) bits |= uint64_t{1} << static_cast<uint32_t>(op);
  return bits;
}

constexpr uint64_t kAny = ~uint64_t{0};
constexpr uint64_t kOk = mask({Op::Unlink, Op::RmDir, Op::Rename, Op::Flush, Op::FSync, Op::FSyncDir, Op::Access,
                               Op::SetXattr, Op::RemoveXattr, Op::FAllocate});
constexpr uint64_t kBytes = mask({Op::Read, Op::ReadLink, Op::GetXattr, Op::ListXattr});
constexpr uint64_t kSize = mask({Op::GetXattr, Op::ListXattr});

// What may be answered with an entry. The kernel takes nothing else, and does not say so: the caller would get EIO, and
// the lookup that was counted for the entry would never be given back.
uint64_t takesEntry(const fuse_entry_param& entry) {
  if (entry.ino == 0) return mask({Op::Lookup});
  if (entry.ino == InodeTable::kRoot) return 0;
  if (S_ISDIR(entry.attr.st_mode)) return mask({Op::Lookup, Op::MkDir});
  if (S_ISLNK(entry.attr.st_mode)) return mask({Op::Lookup, Op::SymLink, Op::Link});
  return mask({Op::Lookup, Op::MkNod, Op::Link});
}

// The kernel has these already and counts no lookup for them, whatever is said of them.
bool isDot(const std::string& name) { return name == "." || name == ".."; }

bool isFlush(const Pending& p) {
  return (p.op == Op::Flush || p.op == Op::FSync) && p.handle != nullptr && p.content != nullptr;
}

// Errors that a handle has not heard of: an fsync asks for them, a close tells them to who may write.
int takeError(const Pending& p) { return p.op == Op::FSync || p.handle->writable() ? p.handle->takeError() : 0; }

InodeEntry inodeEntry(const fuse_entry_param& entry) {
  return {entry.ino, entry.generation, entry.attr, entry.attr_timeout, entry.entry_timeout};
}

ListedPage listedPage(uint64_t after, const std::vector<DirectoryEntry>& entries, const ListingPart& part) {
  ListedPage page{after, {}, part.last, part.timeout};
  page.entries.reserve(entries.size());
  for (const DirectoryEntry& e : entries) {
    const bool known = e.entry.ino != 0 && !isDot(e.name);
    page.entries.push_back({e.name, e.offset, known, inodeEntry(e.entry)});
  }
  return page;
}

}  // namespace

template <typename Reply>
int Session::reply(RequestId id, uint64_t accepted, Reply send) {
  std::shared_lock life(life_);
  bool known = false;
  auto accepts = [&](const Pending& p) { return p.waiter == 0 && (accepted >> static_cast<uint32_t>(p.op) & 1) != 0; };
  const auto pending = pending_.take(id, accepts, known);
  if (!pending) {
    if (known && pending_.isParked(id) == std::optional<bool>(false)) return EINVAL;
    statistics_.strayReplies.fetch_add(1, std::memory_order_relaxed);
    // Once the end has begun, the native side may have been first.
    return refusing_ ? ENODEV : ENOENT;
  }
  completed(*pending, send(*pending));
  return 0;
}

int Session::replyWith(RequestId id, Op op, const std::function<int(const Pending&)>& send) {
  return reply(id, mask({op}), send);
}

void Session::completed(const Pending& pending, int error) {
  statistics_.completed(pending.op, pending.startNs, error != 0);
  statistics_.answered.fetch_add(1, std::memory_order_relaxed);
}

int Session::replyError(RequestId id, int error) {
  return reply(id, kAny, [&](const Pending& p) {
    if (isFlush(p)) takeError(p);
    fuse_reply_err(p.request, error);
    return error;
  });
}

// The kernel drops what a change makes wrong when it hears that it was made; the inode table does so just before.
void Session::applied(const Pending& p, uint64_t cookie) {
  constexpr int exchange = 2;
  switch (p.op) {
    case Op::Unlink:
    case Op::RmDir:
      inodes_.removed(p.node, p.name);
      break;
    case Op::Rename:
      if ((p.flags & exchange) != 0) {
        inodes_.exchanged(p.node, p.name, p.newParent, p.newName);
      } else {
        inodes_.moved(p.node, p.name, p.newParent, p.newName, cookie);
      }
      break;
    case Op::SetXattr:
    case Op::RemoveXattr:
    case Op::FAllocate:
    case Op::Flush:
    case Op::FSync:
      inodes_.changed(p.node);
      break;
    default:
      break;
  }
}

int Session::replyOk(RequestId id, uint64_t cookie) {
  return reply(id, kOk, [&](const Pending& p) {
    applied(p, cookie);
    if (!isFlush(p)) {
      fuse_reply_err(p.request, 0);
      return 0;
    }
    p.content->body->flushed(p.generation);
    const int error = takeError(p);
    fuse_reply_err(p.request, error);
    return error;
  });
}

fuse_entry_param Session::told(fuse_entry_param entry) const {
  entry.attr_timeout = told(entry.attr_timeout);
  const bool keeps = entry.ino != 0 || features().has(Feature::NegativeEntries);
  entry.entry_timeout = keeps ? told(entry.entry_timeout) : 0;
  return entry;
}

void Session::made(const Pending& pending, const fuse_entry_param& entry, uint64_t cookie) {
  inodes_.count(entry.ino, entry.generation);
  inodes_.created(pending.asked, pending.node, pending.name, inodeEntry(entry), cookie);
}

int Session::replyEntry(RequestId id, const fuse_entry_param& entry, uint64_t cookie) {
  return reply(id, takesEntry(entry), [&](const Pending& p) {
    if (entry.ino == 0) {
      inodes_.absent(p.asked, p.node, p.name, entry.entry_timeout);
    } else if (p.op == Op::Lookup) {
      inodes_.count(entry.ino, entry.generation);
      inodes_.found(p.asked, p.node, p.name, inodeEntry(entry));
    } else {
      made(p, entry, cookie);
    }
    const fuse_entry_param param = told(entry);
    // ENOENT: the caller was interrupted and the kernel has not taken the reference that was counted for it.
    if (fuse_reply_entry(p.request, &param) == -ENOENT && entry.ino != 0) forget({{entry.ino, 1}});
    return 0;
  });
}

int Session::replyNegative(RequestId id, double timeout) {
  return reply(id, mask({Op::Lookup}), [&](const Pending& p) {
    inodes_.absent(p.asked, p.node, p.name, timeout);
    fuse_entry_param entry{};
    entry.entry_timeout = timeout;
    entry = told(entry);
    fuse_reply_entry(p.request, &entry);
    return 0;
  });
}

int Session::replyAttr(RequestId id, const struct stat& attr, double timeout) {
  return reply(id, mask({Op::GetAttr, Op::SetAttr}), [&](const Pending& p) {
    if (p.op == Op::GetAttr) {
      inodes_.described(p.asked, p.node, attr, timeout);
    } else {
      inodes_.altered(p.asked, p.node, attr, timeout);
    }
    fuse_reply_attr(p.request, &attr, told(timeout));
    return 0;
  });
}

int Session::replyDirectory(RequestId id, const std::vector<DirectoryEntry>& entries, size_t& packed,
                            const ListingPart* part) {
  packed = 0;
  return reply(id, mask({Op::ReadDir}), [&](const Pending& p) {
    std::vector<char> page(p.size);
    size_t used = 0;
    std::vector<std::pair<uint64_t, uint64_t>> counted;
    for (const DirectoryEntry& e : entries) {
      const size_t room = page.size() - used;
      const auto offset = static_cast<off_t>(e.offset);
      const fuse_entry_param param = told(e.entry);
      const size_t needed =
          p.plus ? fuse_add_direntry_plus(p.request, page.data() + used, room, e.name.c_str(), &param, offset)
                 : fuse_add_direntry(p.request, page.data() + used, room, e.name.c_str(), &e.entry.attr, offset);
      if (needed > room) break;
      used += needed;
      packed += 1;
      if (!p.plus || e.entry.ino == 0 || isDot(e.name)) continue;
      counted.emplace_back(e.entry.ino, 1);
      inodes_.count(e.entry.ino, e.entry.generation);
    }
    if (part != nullptr) inodes_.listed(p.asked, p.node, listedPage(p.offset, entries, *part));
    if (fuse_reply_buf(p.request, page.data(), used) == -ENOENT) forget(counted);
    return 0;
  });
}

int Session::replyBytes(RequestId id, const char* bytes, size_t length) {
  bool tooLarge = false;
  const int error = reply(id, kBytes, [&](const Pending& p) {
    switch (p.op) {
      case Op::ReadLink:
        fuse_reply_readlink(p.request, std::string(bytes, length).c_str());
        return 0;
      case Op::Read:
        // More than was asked for would break the kernel's page accounting; the reader gets EIO, the caller is told.
        tooLarge = length > p.size;
        if (tooLarge) {
          fuse_reply_err(p.request, EIO);
          return EIO;
        }
        fuse_reply_buf(p.request, bytes, length);
        return 0;
      default:
        if (p.size == 0) {
          fuse_reply_xattr(p.request, length);
          return 0;
        }
        if (length > p.size) {
          fuse_reply_err(p.request, ERANGE);
          return ERANGE;
        }
        fuse_reply_buf(p.request, bytes, length);
        return 0;
    }
  });
  return tooLarge ? EMSGSIZE : error;
}

int Session::replySize(RequestId id, size_t size) {
  return reply(id, kSize, [&](const Pending& p) {
    fuse_reply_xattr(p.request, size);
    return 0;
  });
}

int Session::replyStatFs(RequestId id, const struct statvfs& stat) {
  return reply(id, mask({Op::StatFs}), [&](const Pending& p) {
    fuse_reply_statfs(p.request, &stat);
    return 0;
  });
}

}  // namespace fuse_native
