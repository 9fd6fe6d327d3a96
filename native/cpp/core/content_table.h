// File bodies by number: the data plane, without any mount. Sessions serve kernel handles from a table, and anybody
// else (uploads, tests) reads and writes the same bodies through it with the same rules.
//
// A reader of missing bytes or a writer that needs permission waits in the table: `waiting_` says what to do for a
// waiter once its content released it. Taking a waiter out of `waiting_` is what entitles to call it, so each is called
// exactly once, or never after `cancel`. What JavaScript has to do comes out as events: `fetch` and `dirty`.
//
// Slow work runs on a few filler threads, one strand per content. Callbacks run on whichever thread released the
// waiter.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "content.h"
#include "request_queue.h"
#include "strand.h"
#include "thread_group.h"

namespace fuse_native {

using ContentId = uint64_t;

/// A content in a table: the body, the strand its slow work runs on, and its number.
struct OpenContent {
  ContentId id;
  std::shared_ptr<Content> body;
  std::shared_ptr<Strand> strand;
};

using ContentPtr = std::shared_ptr<OpenContent>;
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

class ContentTable : public std::enable_shared_from_this<ContentTable> {
 public:
  /// 0 or an errno. `wake` as for RequestQueue; when `queueLimit` events wait, the sessions stop reading requests.
  static int create(std::function<void()> wake, std::shared_ptr<ContentTable>& out, size_t queueLimit = 1000);

  RequestQueue& events() { return events_; }

  // All of them: 0 or an errno; EBADF for an unknown content, ENODEV after `dispose`.
  int open(ContentId id, const ContentSpec& spec);
  /// EBUSY while handles are attached.
  int close(ContentId id);
  int find(ContentId id, ContentPtr& out);
  int drop(ContentId id);
  int failRange(ContentId id, uint64_t offset, uint64_t length, int error);

  // On the content's strand, in the order of the calls. `done` is called once, unless an errno comes back at once.
  int truncate(ContentId id, uint64_t size, Done done);
  int allocate(ContentId id, int mode, uint64_t offset, uint64_t length, Done done);
  int freeze(ContentId id, FreezeDone done);
  int fill(ContentId id, uint64_t offset, std::vector<char> bytes, Done done);
  int sync(ContentId id, Done done);
  int read(ContentId id, uint64_t offset, size_t length, ReadDone done);
  int write(ContentId id, uint64_t offset, std::vector<char> bytes, WriteDone done);

  /// Answers a `dirty` event; `error` 0 grants. False when the number is unknown or answered.
  bool replyDirty(WaiterId question, int error);
  /// EBUSY while a session serves from the table. Fails all waiters with ENODEV and closes the files.
  int dispose(bool force);

  // For sessions.
  bool attachSession();
  void detachSession();
  WaiterId nextWaiter() { return nextId_.fetch_add(1, std::memory_order_relaxed); }
  /// Calls `done` now or when the bytes are there.
  void readOrWait(const ContentPtr& content, WaiterId waiter, uint64_t offset, size_t length, ReadHint hint,
                  ReadDone done);
  /// Calls `done` now or when the write was permitted; then `bytes` were copied.
  void writeOrWait(const ContentPtr& content, WaiterId waiter, const char* bytes, size_t length, uint64_t offset,
                   WriteDone done);
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
  struct Waiting {
    ContentPtr content;
    uint64_t offset = 0;
    size_t length = 0;
    ReadDone read;
    WriteDone write;
  };

  ContentTable(std::function<void()> wake, size_t queueLimit);
  void await(WaiterId waiter, Waiting waiting);
  std::optional<Waiting> takeWaiting(WaiterId waiter);
  void serve(const std::vector<WaiterId>& released);
  /// A change that may take long: `change` gets the body and collects the readers that it satisfies.
  int changeLater(ContentId id, std::function<int(Content&, std::vector<WaiterId>&)> change, Done done);
  void fail(const std::vector<WaiterId>& waiters, int error);
  void ask(const ContentPtr& content);
  void askFor(const OpenContent& content, const std::vector<Extent>& fetches, ReadHint hint);
  void applyParkedWrites(const ContentPtr& content);

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
  std::unordered_map<WaiterId, ContentPtr> questions_;
};

}  // namespace fuse_native
