// Answers to open and create, and the end of handles.
//
// A writer that the kernel will serve itself has to be permitted before it is told so: nobody hears of its first write.
// Then the answer waits in the pending table, as a parked write does, until the `dirty` event is answered.
#include <fcntl.h>

#include <cerrno>

#include "session.h"

namespace fuse_native {

namespace {

Access accessOf(int flags) {
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      return Access::Read;
    case O_WRONLY:
      return Access::Write;
    default:
      return Access::ReadWrite;
  }
}

}  // namespace

/// A handle on its way to the kernel; when it does not get there, everything it took is given back.
struct Session::Opened {
  std::shared_ptr<Session> session;
  std::shared_ptr<Handle> handle;
  OpenedFile file;
  fuse_file_info info{};
  bool isCreate = false;
  fuse_entry_param entry{};
  bool delivered = false;

  ~Opened() {
    if (!delivered) session->undoOpening(*this);
  }
};

std::shared_ptr<Session::Opened> Session::attachHandle(const Pending& pending, uint64_t node,
                                                       const OpenAnswer& answer) {
  auto opened = std::make_shared<Opened>();
  opened->session = shared_from_this();
  ContentPtr content;
  if (answer.hasContent) contents_->find(answer.content, content);
  opened->handle = std::make_shared<Handle>(answer.handle, node, content);
  opened->handle->access = accessOf(pending.flags);
  if (opened->handle->access != Access::Read) inodes_.beginWriting(node);
  if (content != nullptr) passthrough_.attach(*opened->handle, answer.mayPass && !answer.directIo, opened->file);
  opened->file.number = handles_.add(opened->handle);
  opened->info.fh = opened->file.number;
  opened->info.keep_cache = answer.keepCache && opened->handle->mode == IoMode::Cached ? 1 : 0;
  opened->info.direct_io = answer.directIo || opened->handle->mode == IoMode::Direct ? 1 : 0;
  offer(pending, answer, content);
  return opened;
}

void Session::deliver(const Pending& pending, Opened& opened) {
  const bool passing = opened.handle->mode == IoMode::Passthrough;
  int error = 0;
  if (opened.isCreate) {
    error = passing ? Passthrough::replyCreate(pending.request, opened.entry, opened.file)
                    : fuse_reply_create(pending.request, &opened.entry, &opened.info);
  } else {
    error = passing ? Passthrough::replyOpen(pending.request, opened.file)
                    : fuse_reply_open(pending.request, &opened.info);
  }
  // No release comes for an open that the caller did not wait for.
  opened.delivered = error != -ENOENT;
}

void Session::undoOpening(Opened& opened) {
  if (handles_.remove(opened.file.number) != nullptr) detachHandle(opened.handle);
  if (opened.isCreate) forget({{opened.entry.ino, 1}});
}

void Session::awaitPermission(RequestId id, WaiterId waiter, const std::shared_ptr<Opened>& opened) {
  auto answered = [self = shared_from_this(), id, opened](ssize_t result) {
    self->ifPending(id, [&](const Pending& p) {
      if (result < 0) {
        fuse_reply_err(p.request, static_cast<int>(-result));
      } else {
        self->deliver(p, *opened);
      }
    });
  };
  if (contents_->permitted(opened->handle->content, waiter, answered)) answered(0);
  giveUpWhenRefusing(id);
}

int Session::replyOpening(RequestId id, Op op, const fuse_entry_param* entry, const OpenAnswer& answer,
                          uint64_t cookie) {
  // What is created is a file of its own; the kernel would give up anything else without a word to us.
  if (entry != nullptr && (entry->ino <= InodeTable::kRoot || !S_ISREG(entry->attr.st_mode))) return EINVAL;
  ContentPtr content;
  if (answer.hasContent && !finished_ && contents_->find(answer.content, content) != 0) return EBADF;
  WaiterId waiter = 0;
  std::shared_ptr<Opened> waiting;
  const int error = replyWith(id, op, [&](const Pending& p) {
    if (entry != nullptr) made(p, *entry, cookie);
    const auto opened = attachHandle(p, entry == nullptr ? p.node : entry->ino, answer);
    opened->isCreate = entry != nullptr;
    if (entry != nullptr) opened->entry = told(*entry);
    const Handle& handle = *opened->handle;
    if (handle.mode != IoMode::Passthrough || handle.access == Access::Read || handle.content->body->permitted()) {
      deliver(p, *opened);
      return 0;
    }
    waiting = opened;
    waiter = contents_->nextWaiter();
    Pending parked = p;
    parked.handle = opened->handle;
    parked.content = handle.content;
    parked.waiter = waiter;
    pending_.add(std::move(parked));
    return 0;
  });
  // Without life_, which the answer takes: a table that was disposed of gives it at once.
  if (waiting != nullptr) awaitPermission(id, waiter, waiting);
  return error;
}

int Session::replyOpen(RequestId id, const OpenAnswer& answer) {
  return replyOpening(id, Op::Open, nullptr, answer, 0);
}

int Session::replyCreate(RequestId id, const fuse_entry_param& entry, const OpenAnswer& answer, uint64_t cookie) {
  return replyOpening(id, Op::Create, &entry, answer, cookie);
}

void Session::handleReleased(const std::shared_ptr<Handle>& handle) {
  if (!Passthrough::mayBeMapped(*handle)) return detachHandle(handle);
  if (!passthrough_.keep(handle)) return;
  auto keeper = [self = shared_from_this()] {
    self->passthrough_.runKeeper([&](const std::shared_ptr<Handle>& gone) { self->detachHandle(gone); });
  };
  // Without a thread they are looked at when the mount ends.
  helpers_.spawn("fuse-keeper", keeper);
}

void Session::detachHandle(const std::shared_ptr<Handle>& handle, bool abandoned) {
  const bool changed = handle->content != nullptr && passthrough_.detach(*handle, abandoned);
  // A mapping moves the time without the kernel's inode noticing.
  if (changed && !abandoned) {
    std::deque<Notification> notifications(1);
    notifications[0].kind = Notification::Kind::Inode;
    notifications[0].node = handle->node;
    notifications[0].offset = -1;
    notifier_.push(std::move(notifications));
  }
  if (handle->access != Access::Read) inodes_.endWriting(handle->node);
  if (handle->share != nullptr) return leaveShare(*handle);
  Record record(Op::Release);
  record.integer(handle->node).integer(handle->id).after(handle->node);
  handle->content == nullptr ? record.absent() : record.integer(handle->content->id);
  queue_.push(std::move(record));
}

}  // namespace fuse_native
