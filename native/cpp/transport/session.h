// One mounted filesystem.
//
// Threads: up to `threads` loop threads read the device and answer what needs no decision (reads of present ranges, writes,
// closes of unchanged files); a notifier; an interrupter; and, once, a helper that unmounts. Everything else is packed
// into the queue and answered later from the JavaScript thread.
//
// Life: mount -> serving -> (shutdown() or the connection ends) -> loops ended -> finished. The object outlives its
// last thread, because each thread owns a reference; `life_` keeps the libfuse session while a reply is being sent. The
// end is the shutdown machine's (core/shutdown_machine.h), for which the session is what it acts on (unmount.cpp).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <shared_mutex>
#include <string>

#include "../core/feature.h"
#include "../core/grace_period.h"
#include "../core/inode_table.h"
#include "../core/reading_crew.h"
#include "../core/request_queue.h"
#include "../core/shutdown_clock.h"
#include "../core/shared_opens.h"
#include "../core/statistics.h"
#include "../core/thread_group.h"
#include "init_patch.h"
#include "interrupter.h"
#include "mount_table.h"
#include "notifier.h"
#include "passthrough.h"
#include "pending.h"
#include "handle_table.h"

namespace fuse_native {

struct SessionOptions {
  std::string mountpoint;
  std::string fsName;
  std::string subtype;
  bool allowOther = false;
  bool readOnly = false;
  unsigned threads = 4;
  size_t queueLimit = 1000;
  size_t maxTransfer = 1 << 20;
  bool passthrough = true;
  /// Background requests of the kernel (read-ahead, asynchronous direct I/O) at a time.
  unsigned maxBackground = 64;
  /// Which ones are wanted, as bits of a FeatureSet.
  uint32_t features = kUsualFeatures;
  /// Names and nodes that the inode table keeps at most.
  size_t recordLimit = 400000;
  /// Longest timeout that the kernel is told, in seconds; the inode table keeps the longer ones.
  double kernelTimeouts = 1e9;
};

struct OpenAnswer {
  uint64_t handle = 0;
  bool hasContent = false;
  ContentId content = 0;
  bool keepCache = false;
  bool directIo = false;
  /// The kernel may serve the content from its backing file.
  bool mayPass = false;
  /// Further opens for reading may be answered without asking, until `withdraw`.
  bool shareable = false;
};

struct DirectoryEntry {
  std::string name;
  uint64_t offset;
  fuse_entry_param entry;
};

/// What a directory page says of the directory: nothing comes after it; how long that may be repeated, in seconds.
struct ListingPart {
  bool last = false;
  double timeout = 0;
};

class Session : public std::enable_shared_from_this<Session>, private ShutdownSteps {
 public:
  /// Mounts and starts the threads. 0 or an errno, with libfuse's words in `message`.
  static int mount(const SessionOptions& options, std::shared_ptr<ContentTable> contents, std::function<void()> wake,
                   std::shared_ptr<Session>& out, std::string& message);

  RequestQueue& queue() { return queue_; }
  const Statistics& statistics() const { return statistics_; }
  size_t pendingCount() { return pending_.size(); }
  size_t handleCount() { return handles_.size(); }
  ContentTable& contents() { return *contents_; }
  uint32_t capabilities() const { return capabilities_; }
  /// Why the kernel does not serve files itself; empty when it does.
  std::string passthroughRefusal() { return passthrough_.reason(); }
  /// Known when the kernel has said hello (INIT), the first thing it does.
  bool negotiated() const { return deviceIo_.answered(); }
  FeatureSet features() const { return FeatureSet(active_); }
  FeatureSet offeredFeatures() const { return FeatureSet(offered_); }

  /// Answers natively what never was in the queue.
  void answer(fuse_req_t request, Op op, uint64_t startNs, int error);

  // Replies from JavaScript (replies.cpp): 0, EINVAL when the request takes another kind of reply (it stays pending),
  // ENOENT for a number that is unknown or was answered, ENODEV when the end of the session may have answered it. The
  // latter two are counted as strays.
  int replyError(RequestId id, int error);
  /// `cookie` is the place of a renamed entry in its new directory's listing, 0 when it is not given.
  int replyOk(RequestId id, uint64_t cookie = 0);
  /// `cookie` is a new entry's place in its directory's listing, 0 when it is not given.
  int replyEntry(RequestId id, const fuse_entry_param& entry, uint64_t cookie = 0);
  int replyNegative(RequestId id, double timeout);
  int replyAttr(RequestId id, const struct stat& attr, double timeout);
  int replyOpen(RequestId id, const OpenAnswer& answer);
  int replyCreate(RequestId id, const fuse_entry_param& entry, const OpenAnswer& answer, uint64_t cookie = 0);
  /// With `part`, the entries are all there are between the page's start and its last one.
  int replyDirectory(RequestId id, const std::vector<DirectoryEntry>& entries, size_t& packed,
                     const ListingPart* part = nullptr);
  int replyBytes(RequestId id, const char* bytes, size_t length);
  int replySize(RequestId id, size_t size);
  int replyStatFs(RequestId id, const struct statvfs& stat);

  InodeTable& inodes() { return inodes_; }
  size_t shareCount() { return shares_.size(); }
  /// Ends the sharing of a node's content; whether handles are left, then a `drained` record comes with the last one.
  bool withdraw(uint64_t node) { return shares_.withdraw(node); }

  /// From the inode table at once, then from the kernel.
  int notify(std::deque<Notification> notifications);
  /// Every name the kernel keeps is asked for again (immediate.h), of the inode table where it still has it. ENOSYS
  /// before Linux 6.16. Never waits.
  int bumpEpoch();
  /// The kernel forgets the attributes of these nodes, not their pages. Never waits.
  int invalidateAttributes(const uint64_t* nodes, size_t count);
  /// Begins the end; from here on changes are refused (EBUSY). `done` is called on a helper thread; with an empty
  /// report and at once when the end had begun before.
  void shutdown(ShutdownPlan plan, ShutdownMachine::Observer observer, std::function<void(ShutdownReport)> done);
  ShutdownMachine& machine() { return machine_; }
  /// For the end of the process or of its environment, in any phase: detaches the mount without waiting for anybody,
  /// then waits at most `limit` for the threads.
  void abandon(const std::string& reason, Milliseconds limit);

  // Called by the libfuse operations (operations.cpp, data_operations.cpp, negotiate.cpp).
  void initialise(fuse_conn_info* connection);
  DeviceIo& deviceIo() { return deviceIo_; }
  RequestId nextRequestId() { return pending_.nextId(); }
  void send(Pending pending, Record record);
  /// As `send`, after what waits in the queue of its content.
  void sendInOrder(Pending pending, Record record);
  /// Gives lookups back; JavaScript hears of the nodes that have none left.
  void forget(const std::vector<std::pair<uint64_t, uint64_t>>& nodes);
  // False when JavaScript has to be asked (native_answers.cpp).
  bool answerLookup(fuse_req_t request, uint64_t parent, const char* name);
  bool answerAttributes(fuse_req_t request, uint64_t node);
  bool answerDirectory(fuse_req_t request, uint64_t node, size_t size, uint64_t offset, bool plus);
  bool answerOpen(fuse_req_t request, uint64_t node, int flags);
  void read(fuse_req_t request, uint64_t node, size_t size, uint64_t offset, uint64_t handle);
  void write(fuse_req_t request, const char* bytes, size_t size, uint64_t offset, bool synchronous, uint64_t handle);
  void flush(fuse_req_t request, uint64_t node, uint64_t handle);
  void fsync(fuse_req_t request, uint64_t node, bool dataOnly, uint64_t handle);
  void release(fuse_req_t request, uint64_t handle);
  void fallocate(fuse_req_t request, uint64_t node, int mode, uint64_t offset, uint64_t length, uint64_t handle);
  void seek(fuse_req_t request, uint64_t offset, int whence, uint64_t handle);
  /// The handle's number upstairs, NaN when there is none.
  double handleField(const fuse_file_info* info);

 private:
  Session(const SessionOptions& options, std::shared_ptr<ContentTable> contents, std::function<void()> wake);
  int start(std::string& message);
  void loop(unsigned slot);
  void waitForRoom();
  void stopWaitingForRoom();
  static void useSlot(unsigned slot);
  double told(double timeout) const;
  fuse_entry_param told(const InodeEntry& entry) const;
  fuse_entry_param told(fuse_entry_param entry) const;
  void offer(const Pending& pending, const OpenAnswer& answer, const ContentPtr& content);
  void applied(const Pending& pending, uint64_t cookie);
  /// An entry that is handed out with the answer to a change: counted, and noted.
  void made(const Pending& pending, const fuse_entry_param& entry, uint64_t cookie);
  void leaveShare(const Handle& handle);
  void loopsEnded();

  /// As `reply`, for other files than replies.cpp.
  int replyWith(RequestId id, Op op, const std::function<int(const Pending&)>& send);
  template <typename Reply>
  int reply(RequestId id, uint64_t accepted, Reply send);
  void completed(const Pending& pending, int error);
  struct Opened;
  int replyOpening(RequestId id, Op op, const fuse_entry_param* entry, const OpenAnswer& answer, uint64_t cookie);
  std::shared_ptr<Opened> attachHandle(const Pending& pending, uint64_t node, const OpenAnswer& answer);
  void awaitPermission(RequestId id, WaiterId waiter, const std::shared_ptr<Opened>& opened);
  void deliver(const Pending& pending, Opened& opened);
  void undoOpening(Opened& opened);
  void handleReleased(const std::shared_ptr<Handle>& handle);
  void detachHandle(const std::shared_ptr<Handle>& handle, bool abandoned = false);
  bool refuse(fuse_req_t request, Op op, uint64_t startNs);
  void publish(Pending pending);
  /// Set by `publish`: somebody else answers the request that this thread was about.
  static inline thread_local bool published_ = false;
  void answerRead(fuse_req_t request, uint64_t startNs, int error, const char* bytes, size_t length);
  void answerWrite(fuse_req_t request, uint64_t startNs, ssize_t result);
  Pending parked(fuse_req_t request, Op op, const ContentPtr& content, uint64_t startNs);
  void giveUpWhenRefusing(RequestId id);
  /// Runs `send` with the request when nobody has answered it yet, while the libfuse session is kept.
  template <typename Send>
  void ifPending(RequestId id, Send send);
  bool endRequest(RequestId id);
  uint64_t failPending(int error);
  /// Requires life_, in whatever way.
  uint64_t failPendingLocked(int error);

  /// Gives the mountpoint and the content table back.
  void leave();
  bool connectionEnded() override;
  int unmount(Milliseconds limit) override;
  uint64_t failEverything() override;
  void tearDown() override;
  bool close(Milliseconds limit) override;

  const SessionOptions options_;
  fuse_session* session_ = nullptr;
  uint32_t device_ = 0;
  MountTable mounts_;
  Passthrough passthrough_;
  DeviceIo deviceIo_{passthrough_};
  std::atomic<uint32_t> capabilities_{0};
  std::atomic<uint32_t> offered_{0};
  std::atomic<uint32_t> active_{0};
  bool hasEpoch_ = false;

  Statistics statistics_;
  RequestQueue queue_;
  PendingTable pending_;
  HandleTable handles_;
  InodeTable inodes_;
  GracePeriod grace_;
  SharedOpens shares_;
  std::atomic<uint64_t> lastNativeHandle_{0};
  const std::shared_ptr<ContentTable> contents_;
  Notifier notifier_;
  Interrupter interrupter_;
  ThreadGroup loops_;
  ReadingCrew crew_;
  ThreadGroup helpers_;

  SteadyShutdownClock clock_;
  ShutdownMachine machine_{*this, clock_};
  std::shared_mutex life_;
  std::atomic<unsigned> loopsRunning_{0};
  std::atomic<bool> loopsEnded_{false};
  /// The bound of the queues does not hold back the loop threads any more.
  std::atomic<bool> stopReading_{false};
  /// New requests are refused: a forced unmount is under way.
  std::atomic<bool> refusing_{false};
  std::atomic<bool> finished_{false};
  std::atomic<bool> left_{false};
};

template <typename Send>
void Session::ifPending(RequestId id, Send send) {
  std::shared_lock life(life_);
  auto pending = pending_.take(id);
  if (!pending) return;
  // Before the reader can ask for more.
  pending->waiting.reset();
  send(*pending);
}

}  // namespace fuse_native
