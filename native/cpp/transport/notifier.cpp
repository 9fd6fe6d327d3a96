#include "notifier.h"

namespace fuse_native {

bool Notifier::push(std::deque<Notification> notifications) {
  std::lock_guard lock(mutex_);
  if (queue_.size() + notifications.size() > kLimit) return false;
  if (stopping_) {
    for (Notification& notification : notifications) {
      if (notification.reached) notification.reached();
    }
    return true;
  }
  for (Notification& notification : notifications) queue_.push_back(std::move(notification));
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
    if (queue_.empty()) return;
    std::deque<Notification> batch;
    batch.swap(queue_);
    for (Notification& notification : batch) {
      const bool skip = stopping_;
      lock.unlock();
      if (notification.kind == Notification::Kind::Barrier) {
        notification.reached();
      } else if (!skip) {
        send(session, notification);
      }
      lock.lock();
    }
  }
}

void Notifier::send(fuse_session* session, const Notification& n) {
  // ENOENT says that the kernel has nothing cached under that name, other errors that the connection is ending: in both
  // cases there is nothing left to invalidate.
  switch (n.kind) {
    case Notification::Kind::Entry:
      fuse_lowlevel_notify_inval_entry(session, n.node, n.name.data(), n.name.size());
      break;
    case Notification::Kind::Delete:
      fuse_lowlevel_notify_delete(session, n.node, n.child, n.name.data(), n.name.size());
      break;
    case Notification::Kind::Inode:
      fuse_lowlevel_notify_inval_inode(session, n.node, n.offset, n.length);
      break;
    case Notification::Kind::Barrier:
      break;
  }
  statistics_.notifications.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace fuse_native
