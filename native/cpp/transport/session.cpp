#include "session.h"

#include <linux/fuse.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "immediate.h"
#include "live_mounts.h"
#include "operations.h"

namespace fuse_native {

namespace {

// libfuse explains a failed mount only in its log: what it says on the mounting thread is kept for the error.
thread_local std::string* logCapture = nullptr;

void logMessage(fuse_log_level, const char* format, va_list arguments) {
  char line[1024];
  std::vsnprintf(line, sizeof line, format, arguments);
  if (logCapture != nullptr) {
    *logCapture += line;
  } else {
    std::fputs(line, stderr);
  }
}

// Everything else is answered from memory or packed into the queue.
bool reachesFiles(const fuse_buf& request) {
  if ((request.flags & FUSE_BUF_IS_FD) != 0) return true;
  switch (static_cast<const fuse_in_header*>(request.mem)->opcode) {
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_FSYNC:
    case FUSE_FALLOCATE:
      return true;
    default:
      return false;
  }
}

}  // namespace

DeviceIo& deviceIoOf(void* userdata) { return static_cast<Session*>(userdata)->deviceIo(); }

Session::Session(const SessionOptions& options, std::shared_ptr<ContentTable> contents, std::function<void()> wake)
    : options_(options),
      passthrough_(options.passthrough && !FeatureSet(options.features).has(Feature::WritebackCache)),
      queue_(options.queueLimit, std::move(wake)),
      inodes_(options.recordLimit),
      contents_(std::move(contents)),
      notifier_(statistics_, inodes_, grace_),
      interrupter_(pending_, [this](RequestId id) { return endRequest(id); }) {}

int Session::mount(const SessionOptions& options, std::shared_ptr<ContentTable> contents, std::function<void()> wake,
                   std::shared_ptr<Session>& out, std::string& message) {
  const std::string absolute = absolutePath(options.mountpoint);
  if (LiveMounts::instance().covers(absolute)) {
    message = "the mountpoint is, or is inside, a mount that this process serves";
    return EBUSY;
  }
  char resolved[PATH_MAX];
  if (::realpath(absolute.c_str(), resolved) == nullptr) return errno;
  struct stat st {};
  if (::stat(resolved, &st) != 0) return errno;
  if (!S_ISDIR(st.st_mode)) return ENOTDIR;
  SessionOptions effective = options;
  effective.mountpoint = resolved;
  if (!LiveMounts::instance().add(effective.mountpoint)) return EBUSY;
  if (!contents->attachSession()) {
    LiveMounts::instance().remove(effective.mountpoint);
    message = "the content table was disposed of";
    return ENODEV;
  }
  std::shared_ptr<Session> session(new Session(effective, contents, std::move(wake)));
  const int error = session->start(message);
  if (error != 0) {
    session->leave();
    return error;
  }
  out = std::move(session);
  return 0;
}

int Session::start(std::string& message) {
  fuse_set_log_func(logMessage);
  if (const int error = mounts_.open()) {
    message = "/proc/self/mountinfo cannot be read";
    return error;
  }
  char* options = nullptr;
  fuse_opt_add_opt_escaped(&options, ("fsname=" + options_.fsName).c_str());
  fuse_opt_add_opt_escaped(&options, ("subtype=" + options_.subtype).c_str());
  fuse_opt_add_opt(&options, "default_permissions");
  if (options_.allowOther) fuse_opt_add_opt(&options, "allow_other");
  if (options_.readOnly) fuse_opt_add_opt(&options, "ro");
  fuse_opt_add_opt(&options, ("max_read=" + std::to_string(options_.maxTransfer)).c_str());
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  fuse_opt_add_arg(&args, "fuse-native");
  fuse_opt_add_arg(&args, "-o");
  fuse_opt_add_arg(&args, options);
  std::free(options);

  logCapture = &message;
  errno = 0;
  int error = 0;
  session_ = fuse_session_new(&args, &operations(), sizeof(fuse_lowlevel_ops), this);
  if (session_ == nullptr) {
    error = errno != 0 ? errno : EINVAL;
  } else if (fuse_session_mount(session_, options_.mountpoint.c_str()) != 0) {
    error = errno != 0 ? errno : EIO;
    fuse_session_destroy(session_);
    session_ = nullptr;
  }
  logCapture = nullptr;
  fuse_opt_free_args(&args);
  if (error != 0) return error;

  if (const auto mounted = mounts_.find(options_.mountpoint)) device_ = mounted->minor;
  error = DeviceIo::install(session_, FeatureSet(options_.features).has(Feature::SpliceRead));
  // Nothing is cached yet, so asking whether it works changes nothing.
  hasEpoch_ = incrementEpoch(fuse_session_fd(session_)) == 0;
  auto self = shared_from_this();
  if (error == 0) error = helpers_.spawn("fuse-notifier", [self, session = session_] { self->notifier_.run(session); });
  if (error == 0) error = helpers_.spawn("fuse-interrupt", [self] { self->interrupter_.run(); });
  loopsRunning_ = options_.threads;
  unsigned started = 0;
  for (; error == 0 && started < options_.threads; started++) {
    error = loops_.spawn("fuse-loop", [self, started] { self->loop(started); });
    if (error != 0) break;
  }
  if (error != 0) {
    message = "could not start the session's threads";
    if ((loopsRunning_ -= options_.threads - started) == 0) loopsEnded_ = true;
    abandon(message, Milliseconds(2000));
  }
  return error;
}

void Session::loop(unsigned slot) {
  useSlot(slot);
  fuse_buf buffer{};
  bool lasted = false;
  while (!fuse_session_exited(session_)) {
    waitForRoom();
    crew_.enter(lasted);
    const int got = fuse_session_receive_buf(session_, &buffer);
    const bool mayLast = got > 0 && reachesFiles(buffer);
    crew_.began(mayLast);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    published_ = false;
    fuse_session_process_buf(session_, &buffer);
    lasted = mayLast || published_;
    crew_.ended(lasted);
  }
  std::free(buffer.mem);
  // The others will find the same.
  crew_.stop();
  if (--loopsRunning_ == 0) loopsEnded();
}

// JavaScript or the write queues are behind: the kernel holds back its callers until they have caught up.
void Session::waitForRoom() {
  const auto stopped = [this] { return stopReading_.load(); };
  queue_.waitForRoom(stopped);
  contents_->events().waitForRoom(stopped);
  contents_->writeBudget().waitForRoom(stopped);
}

void Session::stopWaitingForRoom() {
  stopReading_ = true;
  crew_.stop();
  queue_.interruptWaiting();
  contents_->events().interruptWaiting();
  contents_->writeBudget().interruptWaiting();
}

void Session::loopsEnded() {
  refusing_ = true;
  failPending(ENODEV);
  auto left = handles_.removeAll();
  for (auto& handle : passthrough_.takeKept()) left.push_back(std::move(handle));
  for (const auto& handle : left) {
    // Whoever has the backing file open from the kernel may go on writing to it, connection or not.
    const bool passing = handle->mode == IoMode::Passthrough && handle->access != Access::Read;
    detachHandle(handle, passing && handle->content->body->exclusive() != 0);
  }
  // Before anybody hears of it: whoever unmounts because of that has to find it so.
  loopsEnded_ = true;
  machine_.connectionEnded();
  if (machine_.phase() == Phase::Running) {
    Record closed(Op::Closed);
    const auto mounted = mounts_.find(options_.mountpoint);
    const bool present = mounted.has_value() && mounted->minor == device_;
    closed.text(present ? "the connection was aborted" : "unmounted from outside");
    queue_.push(std::move(closed));
  }
}

// Runs on the interrupter's thread. A write that is being made goes on to its end: told EINTR, its writer would make it
// once more.
bool Session::endRequest(RequestId id) {
  const auto parked = pending_.isParked(id);
  if (!parked.has_value()) return true;
  std::shared_lock life(life_);
  if (!*parked) {
    // Cancels overtake everything, and one that came before its request would be about nothing. What JavaScript has not
    // heard of yet, nobody has begun.
    if (queue_.takeBack(id)) {
      statistics_.dispatched.fetch_sub(1, std::memory_order_relaxed);
      if (const auto pending = pending_.take(id)) answer(pending->request, pending->op, pending->startNs, EINTR);
      return true;
    }
    Record record(Op::Cancel);
    record.integer(id);
    queue_.push(std::move(record));
    return true;
  }
  const WaiterId waiter = pending_.waiter(id);
  if (waiter == 0 || !contents_->cancel(waiter)) return false;
  if (const auto pending = pending_.take(id)) answer(pending->request, pending->op, pending->startNs, EINTR);
  return true;
}

uint64_t Session::failPending(int error) {
  std::shared_lock life(life_);
  return failPendingLocked(error);
}

uint64_t Session::failPendingLocked(int error) {
  const auto all = pending_.takeAll();
  for (const Pending& pending : all) {
    if (pending.waiter != 0) contents_->cancel(pending.waiter);
    answer(pending.request, pending.op, pending.startNs, error);
  }
  return all.size();
}

void Session::leave() {
  if (left_.exchange(true)) return;
  LiveMounts::instance().remove(options_.mountpoint);
  contents_->detachSession();
}

int Session::notify(std::deque<Notification> notifications) {
  if (finished_) return ENODEV;
  for (const Notification& n : notifications) {
    switch (n.kind) {
      case Notification::Kind::Delete:
        inodes_.changed(n.child);
        [[fallthrough]];
      case Notification::Kind::Entry:
      case Notification::Kind::Expire:
        inodes_.dropEntry(n.node, n.name);
        break;
      case Notification::Kind::Inode:
        inodes_.dropNode(n.node, n.offset >= 0);
        break;
      case Notification::Kind::Store:
        inodes_.changed(n.node);
        break;
      case Notification::Kind::Barrier:
        break;
    }
  }
  return notifier_.push(std::move(notifications)) ? 0 : ENOBUFS;
}

int Session::bumpEpoch() {
  if (!features().has(Feature::Epoch)) return ENOSYS;
  std::shared_lock life(life_);
  if (finished_ || session_ == nullptr) return ENODEV;
  return incrementEpoch(fuse_session_fd(session_));
}

int Session::invalidateAttributes(const uint64_t* nodes, size_t count) {
  std::shared_lock life(life_);
  if (finished_ || session_ == nullptr) return ENODEV;
  for (size_t i = 0; i < count; i++) inodes_.changed(nodes[i]);
  // Nothing older may reach the kernel after it forgot.
  grace_.wait();
  for (size_t i = 0; i < count; i++) forgetAttributes(session_, nodes[i]);
  return 0;
}

}  // namespace fuse_native
