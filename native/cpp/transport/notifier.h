// Sends cache invalidations to the kernel, in order, from a thread of its own. The kernel may make a notification wait
// for a request in flight (an entry's for its directory, a page's for a read of it); the threads that answer requests
// must therefore never send one. The two that never wait are in immediate.h.
//
// What it invalidates was dropped from the inode table before. Answers that were made from the table before that may
// still be on their way; it lets them pass, so that nothing older arrives after a notification.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "../core/grace_period.h"
#include "../core/inode_table.h"
#include "../core/notification_queue.h"
#include "../core/statistics.h"
#include "fuse_api.h"

namespace fuse_native {

class Notifier {
 public:
  Notifier(Statistics& statistics, InodeTable& inodes, GracePeriod& grace)
      : statistics_(statistics), inodes_(inodes), grace_(grace) {}
  /// False when too much waits (ENOBUFS): whoever sends that much should wait for `notified` in between.
  bool push(std::deque<Notification> notifications);
  /// Body of the notifier thread; returns after `stop`, when the barriers that wait have been reached.
  void run(fuse_session* session);
  void stop();
  /// Whether entries can be expired without being dropped (FUSE_EXPIRE_ONLY, Linux 6.2); else they are dropped.
  void canExpire(bool can) { canExpire_ = can; }

 private:
  void send(fuse_session* session, const Notification& notification);

  Statistics& statistics_;
  InodeTable& inodes_;
  GracePeriod& grace_;
  std::mutex mutex_;
  std::condition_variable work_;
  NotificationQueue queue_;
  bool stopping_ = false;
  std::atomic<bool> canExpire_{false};
};

}  // namespace fuse_native
