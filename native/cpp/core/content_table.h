// File bodies by number: the data plane, without any mount. Sessions serve kernel handles from a table, and anybody
// else (uploads, tests) reads and writes the same bodies through it with the same rules.
//
// A reader of missing bytes waits in the table: `waiting_` says what to do for a waiter once its content released it.
// Taking a waiter out of `waiting_` is what entitles to call it, so each is called exactly once, or never after
// `cancel`. A writer waits in the queue of its content (write_queue.h), and so does everything else that changes a
// content or has to come after what changes it. What JavaScript has to do comes out as events: `fetch`, `dirty`
// (permit the first change) and `space` (make room on the disk); the last two are questions that are answered once.
//
// Bytes that were written and not synced are counted. From half the limit on they are written back, the content with
// the most of them first, one at a time; at the limit the queues hold writes until there are fewer.
//
// Slow work runs on a few filler threads, one strand per content. Callbacks run on whichever thread released the
// waiter.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "open_content.h"
#include "request_queue.h"
#include "thread_group.h"

namespace fuse_native {

/// What led to a read: the length of the sequential run it belongs to, and whether its handle waits for bytes before
/// these already, so that nobody is blocked by these yet.
struct ReadHint {
  ReadHint(uint64_t run, bool ahead = false) : run(run), ahead(ahead) {}
  uint64_t run;
  bool ahead;
};

using Done = std::function<void(int error)>;
/// `bytes` are valid during the call only.
using ReadDone = std::function<void(int error, const char* bytes, size_t length)>;
/// `fd` is a descriptor of the frozen file, open for reading, that the receiver has to close; -1 with an error.
using FreezeDone = std::function<void(int error, uint64_t generation, int fd)>;
/// Bytes written or negative errno.
using WriteDone = std::function<void(ssize_t result)>;

/// What a flush found still waiting when its time was over.
struct FlushLeft {
  ContentId content;
  uint64_t operations;
  uint64_t bytes;
};
using FlushDone = std::function<void(const std::vector<FlushLeft>& left)>;

/// A write as it arrives. `bytes` have to stay until the call returns.
struct WriteRequest {
  const char* bytes;
  size_t length;
  uint64_t offset;
  /// On the disk before it is answered.
  bool synchronous = false;
  std::shared_ptr<WriteAccount> account;
  uint64_t sinceNs = 0;
};

class ContentTable : public std::enable_shared_from_this<ContentTable> {
 public:
  /// 0 or an errno. `wake` as for RequestQueue; when `queueLimit` events wait, the sessions stop reading requests.
  static int create(std::function<void()> wake, std::shared_ptr<ContentTable>& out, size_t queueLimit = 1000,
                    const WriteLimits& limits = WriteLimits());

  RequestQueue& events() { return events_; }

  // All of them: 0 or an errno; EBADF for an unknown content, ENODEV after `dispose`.
  int open(ContentId id, const ContentSpec& spec);
  /// EBUSY while handles are attached.
  int close(ContentId id);
  int find(ContentId id, ContentPtr& out);
  int drop(ContentId id);
  int failRange(ContentId id, uint64_t offset, uint64_t length, int error);

  // On the content's strand, in the order of the calls and of the kernel's writes. `done` is called once, unless an
  // errno comes back at once.
  int truncate(ContentId id, uint64_t size, Done done);
  int allocate(ContentId id, int mode, uint64_t offset, uint64_t length, Done done);
  int freeze(ContentId id, FreezeDone done);
  /// `urgent`: somebody waits for it.
  int sync(ContentId id, bool urgent, Done done);
  int write(ContentId id, uint64_t offset, std::vector<char> bytes, WriteDone done);
  // On the strand as well, beside the queue.
  int fill(ContentId id, uint64_t offset, std::vector<char> bytes, Done done);
  int read(ContentId id, uint64_t offset, size_t length, ReadDone done);

  /// Calls `done` when everything that waits now in the queues, of one content or (0) of all, has ended, or when the
  /// time is over. Hurries them.
  int flush(ContentId id, std::chrono::milliseconds limit, FlushDone done);
  /// Answers a `dirty` or `space` event; `error` 0 lets the writers go on. False when the number is unknown or
  /// answered.
  bool answer(WaiterId question, int error);
  /// EBUSY while a session serves from the table. Fails all waiters with ENODEV and closes the files.
  int dispose(bool force);

  // For sessions.
  bool attachSession();
  void detachSession();
  WaiterId nextWaiter() { return nextId_.fetch_add(1, std::memory_order_relaxed); }
  /// Calls `done` now or when the bytes are there.
  void readOrWait(const ContentPtr& content, WaiterId waiter, uint64_t offset, size_t length, ReadHint hint,
                  ReadDone done);
  /// Bytes written or negative errno; -EAGAIN when it cannot be absorbed without waiting. Never waits.
  ssize_t writeNow(const ContentPtr& content, const WriteRequest& request);
  /// In the order of the content, with the bytes copied. `done` is called in any case, unless it is cancelled before.
  void queueWrite(const ContentPtr& content, WaiterId waiter, const WriteRequest& request, WriteDone done);
  /// Calls `done` with 0 in its turn, or with an errno, unless it is cancelled before.
  void barrier(const ContentPtr& content, WaiterId waiter, Done done);
  /// A new account, listed in the statistics for as long as somebody holds it.
  std::shared_ptr<WriteAccount> openAccount(uint64_t handle, ContentId content);
  std::vector<std::shared_ptr<WriteAccount>> accounts();
  const WriteAccount& totals() const { return *total_; }
  WriteBudget& writeBudget() { return *budget_; }
  uint64_t unsyncedBytes() const { return unsynced_; }
  /// Asks for permission to change the content without changing it yet. True when there is no need to wait; otherwise
  /// `done` is called with 0 or a negative errno.
  bool permitted(const ContentPtr& content, WaiterId waiter, WriteDone done);
  /// True when the waiter will not be called any more.
  bool cancel(WaiterId waiter);
  /// Reads a present range into this thread's buffer and hands it over.
  static void deliver(const ContentPtr& content, const ReadPlan& plan, uint64_t offset, const ReadDone& done);

  size_t count();
  size_t waiters();
  uint64_t bytesFilled() const { return bytesFilled_; }

 private:
  friend class OpenContent;
  struct Waiting {
    ContentPtr content;
    uint64_t offset = 0;
    size_t length = 0;
    ReadDone read;
  };
  struct Question {
    ContentPtr content;
    Hold hold;
  };

  ContentTable(std::function<void()> wake, size_t queueLimit, const WriteLimits& limits);
  void await(WaiterId waiter, Waiting waiting);
  std::optional<Waiting> takeWaiting(WaiterId waiter);
  void serve(const std::vector<WaiterId>& released);
  /// `act` has its turn in the content's order; with `changes` it collects the readers that it satisfies.
  int inOrder(ContentId id, Urgency urgency, bool changes, std::function<int(const ContentPtr&)> act, Done done);
  int change(ContentId id, std::function<int(Content&, std::vector<WaiterId>&)> act, Done done);
  void push(const ContentPtr& content, QueueEntry entry);
  void fail(const std::vector<WaiterId>& waiters, int error);
  void ask(const ContentPtr& content, Hold hold, uint64_t bytes);
  void askFor(const OpenContent& content, const std::vector<Extent>& fetches, ReadHint hint);
  std::vector<ContentPtr> contents();

  // Bytes on their way to the disk (content_write_back.cpp).
  void wrote(OpenContent& content, uint64_t bytes);
  int syncNow(OpenContent& content, bool isWriteBack = false);
  void forgetUnsynced(OpenContent& content);
  void fewerUnsynced(uint64_t bytes);
  bool isOverDirtyLimit() const { return unsynced_ >= budget_->limits.dirtyBytes; }
  void stall(const ContentPtr& content);
  void writeBack();

  RequestQueue events_;
  std::shared_ptr<StrandPool> fillers_ = std::make_shared<StrandPool>();
  ThreadGroup threads_;
  std::atomic<WaiterId> nextId_{1};
  std::atomic<uint64_t> bytesFilled_{0};

  std::shared_mutex contentsMutex_;
  std::unordered_map<ContentId, ContentPtr> contents_;
  unsigned sessions_ = 0;
  bool disposed_ = false;

  std::mutex waitingMutex_;
  std::unordered_map<WaiterId, Waiting> waiting_;
  std::unordered_map<WaiterId, Question> questions_;
  /// Whose queue a writer or a barrier waits in.
  std::unordered_map<WaiterId, ContentPtr> queued_;

  const std::shared_ptr<WriteBudget> budget_;
  const std::shared_ptr<WriteAccount> total_ = std::make_shared<WriteAccount>(0, 0);
  std::mutex accountsMutex_;
  std::unordered_map<const WriteAccount*, std::weak_ptr<WriteAccount>> accounts_;
  std::atomic<uint64_t> unsynced_{0};
  std::atomic<bool> writingBack_{false};
  std::mutex stalledMutex_;
  std::vector<ContentPtr> stalled_;
};

}  // namespace fuse_native
