#include "notifier.h"

namespace fuse_native {

namespace {

// libfuse 3.14 has flags here, of which 1 is the only one; later versions have none.
template <typename Flags>
void expire(int (*send)(fuse_session*, fuse_ino_t, const char*, size_t, Flags), fuse_session* session,
            const Notification& n) {
  send(session, n.node, n.name.data(), n.name.size(), static_cast<Flags>(1));
}

[[maybe_unused]] void expire(int (*send)(fuse_session*, fuse_ino_t, const char*, size_t), fuse_session* session,
                             const Notification& n) {
  send(session, n.node, n.name.data(), n.name.size());
}

}  // namespace

bool Notifier::push(std::deque<Notification> notifications) {
  std::lock_guard lock(mutex_);
  if (stopping_) {
    for (Notification& notification : notifications) {
      if (notification.reached) notification.reached();
    }
    return true;
  }
  if (!queue_.push(std::move(notifications))) return false;
  work_.notify_one();
  return true;
}

void Notifier::stop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  work_.notify_one();
}

void Notifier::run(fuse_session* session) {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    const auto notification = queue_.pop();
    if (!notification.has_value()) return;
    const bool skip = stopping_;
    lock.unlock();
    if (notification->kind == Notification::Kind::Barrier) {
      notification->reached();
    } else if (!skip) {
      grace_.wait();
      send(session, *notification);
    }
    lock.lock();
  }
}

void Notifier::send(fuse_session* session, const Notification& n) {
  statistics_.notifications.fetch_add(1, std::memory_order_relaxed);
  // Counted before it is handed out: what the kernel does not hold by then, it will ask for again.
  if (n.node != InodeTable::kRoot && inodes_.lookups(n.node) == 0) return;
  // ENOENT says that the kernel has nothing cached under that name, other errors that the connection is ending: in both
  // cases there is nothing left to invalidate.
  switch (n.kind) {
    case Notification::Kind::Expire:
      if (canExpire_) {
        expire(fuse_lowlevel_notify_expire_entry, session, n);
        break;
      }
      [[fallthrough]];
    case Notification::Kind::Entry:
      fuse_lowlevel_notify_inval_entry(session, n.node, n.name.data(), n.name.size());
      break;
    case Notification::Kind::Delete:
      fuse_lowlevel_notify_delete(session, n.node, n.child, n.name.data(), n.name.size());
      break;
    case Notification::Kind::Inode:
      fuse_lowlevel_notify_inval_inode(session, n.node, n.offset, n.length);
      break;
    case Notification::Kind::Store: {
      fuse_bufvec bytes = FUSE_BUFVEC_INIT(n.name.size());
      bytes.buf[0].mem = const_cast<char*>(n.name.data());
      fuse_lowlevel_notify_store(session, n.node, n.offset, &bytes, FUSE_BUF_NO_SPLICE);
      break;
    }
    case Notification::Kind::Barrier:
      break;
  }
}

}  // namespace fuse_native
