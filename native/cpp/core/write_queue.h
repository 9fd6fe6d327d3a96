// The order of one content: what changes it and could not be done at once, and the barriers among that.
//
// The model
// - First in, first out, whoever's handle it came through. One entry is carried out at a time, by `step`, on the
//   content's strand. A write may pass the queue by (be made on the thread it arrived on) only while it is `idle`.
// - A barrier is an entry like any other: what is before it has ended when its turn comes, and nothing behind it begins
//   before its turn is over. The turn of a flush or fsync that goes up to JavaScript is its being handed up.
// - A write at the head that cannot be made holds the queue: until JavaScript permits the first change of a clean
//   content, until it has made room on a full disk, or until enough written bytes are on the disk. Then `resume` says
//   how it went; an error ends the writes that waited for it and the rest goes on.
// - An entry is answered exactly once, or never after `cancel` returned true for it.
//
// No threads and no files in here: the target does what the queue decides, so that tests can run it step by step.
// Locks: `mutex_` guards the fields and is not held while entries are carried out or answered; the target's
// `obstacle` is asked under it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "strand.h"
#include "write_account.h"

namespace fuse_native {

using WaiterId = uint64_t;

/// What keeps the write at the head from being made.
enum class Hold { None, Permission, Room, Dirty };

struct QueueEntry {
  /// To cancel it by; 0 for one that is not cancelled.
  WaiterId waiter = 0;
  Urgency urgency = Urgency::Normal;
  /// Keeps the content from becoming clean while it waits.
  bool changes = false;

  /// Called once, when the entry has ended: bytes written or a negative errno.
  std::function<void(ssize_t)> done;

  /// A write.
  uint64_t offset = 0;
  std::vector<char> bytes;
  /// On the disk before `done` is called.
  bool synchronous = false;
  std::shared_ptr<WriteAccount> account;
  uint64_t sinceNs = 0;
  unsigned attempts = 0;

  /// Anything else: its turn. 0 or an errno.
  std::function<int()> act;

  bool isWrite() const { return !act; }
};

/// What the queue needs of its content.
class WriteTarget {
 public:
  virtual ~WriteTarget() = default;
  virtual Hold obstacle() = 0;
  /// Bytes written, or a negative errno.
  virtual ssize_t write(const QueueEntry& entry) = 0;
  /// 0 or an errno.
  virtual int sync() = 0;
  /// Has `step` called soon, on the strand. Extra calls do no harm.
  virtual void schedule(Urgency urgency) = 0;
  /// Has `resume` called with the same hold, maybe before it returns. `bytes` is the length of the write that waits.
  virtual void ask(Hold hold, uint64_t bytes) = 0;
  /// A write that was tried has failed for good.
  virtual void failed(int error) = 0;
  /// An entry that changes the content came or has ended.
  virtual void changeBegins() = 0;
  virtual void changeEnds() = 0;
};

class WriteQueue {
 public:
  /// Tries to make room for one write before it gets ENOSPC.
  static constexpr unsigned kRoomAttempts = 3;

  WriteQueue(WriteTarget& target, std::shared_ptr<WriteBudget> budget, std::shared_ptr<WriteAccount> total)
      : target_(target), budget_(std::move(budget)), total_(std::move(total)) {}

  /// Nothing waits and nothing is being carried out.
  bool idle() const { return count_.load(std::memory_order_acquire) == 0; }
  size_t size() const { return count_.load(std::memory_order_acquire); }
  uint64_t bytes();

  /// 0, or the errno the queue was closed with; then the entry is not called.
  int push(QueueEntry entry);
  /// Carries out the entry at the head, when one is due.
  void step();
  void resume(Hold hold, int error);
  /// Takes an entry out that is not being carried out.
  bool cancel(WaiterId waiter);
  /// Ends everything that waits with `error`, and what comes from now on.
  void close(int error);

 private:
  enum class State { Resting, Scheduled, Running, Held };
  struct Next {
    enum class Do { Nothing, Schedule, Ask } action = Do::Nothing;
    Urgency urgency = Urgency::Normal;
    Hold hold = Hold::None;
    uint64_t bytes = 0;
  };

  Next advanceLocked();
  Next holdLocked();
  void perform(const Next& next);
  Urgency urgencyLocked() const;
  bool carryOut(QueueEntry& entry);
  void leave(const QueueEntry& entry);
  void end(QueueEntry& entry, ssize_t result);

  WriteTarget& target_;
  const std::shared_ptr<WriteBudget> budget_;
  const std::shared_ptr<WriteAccount> total_;
  std::mutex mutex_;
  std::deque<QueueEntry> entries_;
  std::array<size_t, kUrgencies> entriesByUrgency_{};
  State state_ = State::Resting;
  Urgency scheduledUrgency_ = Urgency::Normal;
  Hold hold_ = Hold::None;
  int closed_ = 0;
  std::atomic<size_t> count_{0};
};

}  // namespace fuse_native
