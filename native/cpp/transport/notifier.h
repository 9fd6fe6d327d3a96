// Sends cache invalidations to the kernel, in order, from a thread of its own. The kernel may make a notification wait
// for a request in flight (an entry's for its directory, a page's for a read of it); the threads that answer requests
// must therefore never send one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "../core/statistics.h"
#include "fuse_api.h"

namespace fuse_native {

struct Notification {
  enum class Kind { Entry, Delete, Inode, Barrier };
  Kind kind = Kind::Barrier;
  uint64_t node = 0;
  uint64_t child = 0;
  /// Inode: first byte, -1 for attributes only.
  int64_t offset = 0;
  int64_t length = 0;
  std::string name;
  std::function<void()> reached;
};

class Notifier {
 public:
  /// More than this waiting is refused (ENOBUFS): whoever sends that much should wait for `notified` in between.
  static constexpr size_t kLimit = 1000000;

  explicit Notifier(Statistics& statistics) : statistics_(statistics) {}
  bool push(std::deque<Notification> notifications);
  /// Body of the notifier thread; returns after `stop`, when the barriers that wait have been reached.
  void run(fuse_session* session);
  void stop();

 private:
  void send(fuse_session* session, const Notification& notification);

  Statistics& statistics_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Notification> queue_;
  bool stopping_ = false;
};

}  // namespace fuse_native
