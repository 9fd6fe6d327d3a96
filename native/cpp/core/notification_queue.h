// Cache invalidations on their way to the kernel, in order. One that another still waiting one says already is dropped:
// what waits is sent later than now, so it covers whatever changed until now. That keeps a burst of changes to one file
// or directory from becoming as many system calls. Bounded in number and in bytes; the caller hears when it is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>

namespace fuse_native {

struct Notification {
  /// Numbers of the first five are part of the packed format (native/src/encode.ts).
  enum class Kind { Entry, Delete, Inode, Expire, Store, Barrier };
  Kind kind = Kind::Barrier;
  /// The inode; of an entry its parent.
  uint64_t node = 0;
  /// Delete: the inode whose watchers hear of it.
  uint64_t child = 0;
  /// Inode: first byte, -1 for attributes only. Store: where the bytes go.
  int64_t offset = 0;
  /// Inode: 0 is to the end.
  int64_t length = 0;
  /// Name of an entry, bytes of a store.
  std::string name;
  /// Barrier: called when everything before it was sent.
  std::function<void()> reached;
};

/// Not synchronised: the notifier has the lock.
class NotificationQueue {
 public:
  static constexpr size_t kMost = 1000000;
  static constexpr size_t kMostBytes = 64 << 20;

  /// All or none; false when there is no room.
  bool push(std::deque<Notification> notifications);
  std::optional<Notification> pop();
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  /// How many were dropped because they were said already.
  uint64_t coalesced() const { return coalesced_; }

 private:
  struct Waiting {
    Notification notification;
    std::string key;
  };
  bool covered(const Notification& notification, const std::string& key) const;

  std::deque<Waiting> queue_;
  /// What waits, by what it says. May lack something that waits, which then is said twice, but never has more.
  std::unordered_set<std::string> keys_;
  size_t bytes_ = 0;
  uint64_t coalesced_ = 0;
};

}  // namespace fuse_native
