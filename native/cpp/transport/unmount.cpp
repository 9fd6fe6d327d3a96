// What the shutdown machine (core/shutdown_machine.h) does to a mount: plain unmounts, and the way out of a busy one.
// MNT_FORCE, or the connection's abort file, comes before MNT_DETACH (or fusermount3 -u -z) because the path is gone
// afterwards.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "session.h"

extern char** environ;

namespace fuse_native {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kFusermountLimit = Milliseconds(2000);

// Runs fusermount3 and waits for it within the limit. 0 or an errno; EBUSY stands for every refusal, because
// fusermount3 tells the reason only in words.
int fusermount(const std::string& mountpoint, bool lazy, Milliseconds limit) {
  const char* arguments[] = {"fusermount3", "-u", "-q", lazy ? "-z" : "--", lazy ? "--" : mountpoint.c_str(),
                             lazy ? mountpoint.c_str() : nullptr, nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "fusermount3", nullptr, nullptr, const_cast<char**>(arguments), environ);
  if (error != 0) return error;
  const auto end = Clock::now() + limit;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() >= end) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return ETIMEDOUT;
    }
    std::this_thread::sleep_for(Milliseconds(5));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EBUSY;
}

// Without privilege umount2 says EPERM and the setuid helper has to do it.
int unmountPath(const std::string& mountpoint, int flags, Milliseconds limit) {
  if (::umount2(mountpoint.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return 0;
  if (errno != EPERM) return errno;
  if (flags == MNT_FORCE) return EPERM;
  return fusermount(mountpoint, flags == MNT_DETACH, limit);
}

void abortConnection(uint32_t device) {
  const std::string path = "/sys/fs/fuse/connections/" + std::to_string(device) + "/abort";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  // Not there when fusectl is not mounted; MNT_FORCE has done the same where it was allowed.
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = ::write(fd, "1", 1);
  ::close(fd);
}

}  // namespace

void Session::shutdown(ShutdownPlan plan, ShutdownMachine::Observer observer,
                       std::function<void(ShutdownReport)> done) {
  if (!machine_.begin(std::move(plan), std::move(observer))) {
    done({});
    return;
  }
  auto work = [self = shared_from_this(), done] { done(self->machine_.run()); };
  if (ThreadGroup().spawn("fuse-shutdown", work) == 0) return;
  // No thread to be had: the short way out needs none.
  machine_.force("no thread to be had for the shutdown");
  work();
}

bool Session::connectionEnded() { return loopsEnded_; }

int Session::unmount(Milliseconds limit) {
  const auto mounted = mounts_.find(options_.mountpoint);
  if (!mounted.has_value()) return ENOENT;
  // Something else on top of our mount is not ours to remove.
  if (mounted->minor != device_) return EBUSY;
  const int error = unmountPath(options_.mountpoint, 0, std::min(limit, kFusermountLimit));
  return error == EINVAL ? ENOENT : error;
}

uint64_t Session::failEverything() {
  refusing_ = true;
  return failPending(ECONNABORTED);
}

void Session::tearDown() {
  stopWaitingForRoom();
  const auto mounted = mounts_.find(options_.mountpoint);
  const bool ours = mounted.has_value() && mounted->minor == device_;
  if (!loopsEnded_) {
    if (ours) unmountPath(options_.mountpoint, MNT_FORCE, kFusermountLimit);
    abortConnection(device_);
  }
  if (!ours) return;
  const auto left = mounts_.find(options_.mountpoint);
  if (left.has_value() && left->minor == device_) unmountPath(options_.mountpoint, MNT_DETACH, kFusermountLimit);
}

bool Session::close(Milliseconds limit) {
  stopWaitingForRoom();
  bool ended = loops_.waitFor(limit);
  finished_ = true;
  notifier_.stop();
  interrupter_.stop();
  ended = helpers_.waitFor(limit) && ended;
  leave();
  mounts_.close();
  // A thread that is still inside libfuse keeps the session for good; freeing it would be worse than leaking it.
  if (!ended) return false;
  std::unique_lock life(life_);
  if (session_ == nullptr) return true;
  // What JavaScript put back into the table after everything was answered (opening.cpp): nobody can answer it later.
  failPendingLocked(ENODEV);
  fuse_session_unmount(session_);
  fuse_session_destroy(session_);
  session_ = nullptr;
  return true;
}

void Session::abandon(const std::string& reason, Milliseconds limit) {
  ShutdownPlan plan;
  plan.reason = reason;
  plan.close = limit;
  plan.force = true;
  if (machine_.begin(std::move(plan), nullptr)) {
    machine_.run();
    return;
  }
  // Somebody is at it already, in whatever phase: one thread ends a session, the others only hurry it on.
  machine_.force(reason);
  machine_.waitClosed(limit);
}

}  // namespace fuse_native
