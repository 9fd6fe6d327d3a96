// Sends cache invalidations to the kernel, in order, from a thread of its own. The kernel may make a notification wait
// for a request in flight (an entry's for its directory, a page's for a read of it); the threads that answer requests
// must therefore never send one. The two that never wait are in immediate.h.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "../core/notification_queue.h"
#include "../core/statistics.h"
#include "fuse_api.h"

namespace fuse_native {

class Notifier {
 public:
  explicit Notifier(Statistics& statistics) : statistics_(statistics) {}
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
  std::mutex mutex_;
  std::condition_variable work_;
  NotificationQueue queue_;
  bool stopping_ = false;
  std::atomic<bool> canExpire_{false};
};

}  // namespace fuse_native
