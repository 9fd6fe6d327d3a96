// Ways out, in order: a plain unmount while nobody uses the mount; when it stays busy until the deadline, everything
// pending is answered with an errno, the connection is aborted (MNT_FORCE, or the connection's abort file) and the
// mount is detached (MNT_DETACH, or fusermount3 -u -z). MNT_FORCE comes before MNT_DETACH because the path is gone
// afterwards.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "mount_table.h"
#include "session.h"

extern char** environ;

namespace fuse_native {

namespace {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kRetry = Milliseconds(20);
constexpr auto kLoopsLimit = Milliseconds(2000);
constexpr auto kHelpersLimit = Milliseconds(2000);
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

uint64_t millisecondsSince(Clock::time_point start) {
  return static_cast<uint64_t>(std::chrono::duration_cast<Milliseconds>(Clock::now() - start).count());
}

}  // namespace

void Session::unmount(Milliseconds deadline, bool force, std::function<void(UnmountResult)> done) {
  // A later call only hurries on the one under way, which reports to its own caller.
  if (unmounting_.exchange(true)) {
    if (force) hurry_ = true;
    done({});
    return;
  }
  auto work = [self = shared_from_this(), deadline, force, done] { done(self->runUnmount(deadline, force)); };
  if (const int error = ThreadGroup().spawn("fuse-unmount", work)) {
    // No thread to be had: the short way out needs none.
    abandon(kLoopsLimit);
    done({UnmountResult::Outcome::Forced, "no thread for unmounting, errno " + std::to_string(error), 0, 0});
  }
}

UnmountResult Session::runUnmount(Milliseconds deadline, bool force) {
  const auto start = Clock::now();
  UnmountResult result;
  bool unmounted = false;
  int error = force ? EBUSY : 0;
  while (!force && !loopsEnded_) {
    if (hurry_) {
      error = EBUSY;
      force = true;
      break;
    }
    const auto mounted = findMount(options_.mountpoint);
    if (!mounted.has_value()) break;
    // Something else on top of our mount is not ours to remove.
    const bool ours = mounted->minor == device_;
    error = ours ? unmountPath(options_.mountpoint, 0, std::min(deadline, kFusermountLimit)) : EBUSY;
    unmounted = error == 0;
    if (unmounted || error == EINVAL || error == ENOENT) break;
    if (error != EBUSY || Clock::now() - start >= deadline) {
      force = true;
      break;
    }
    loops_.waitFor(kRetry);
  }
  if (unmounted) {
    result.outcome = UnmountResult::Outcome::Graceful;
    result.reason = "unmounted";
  } else if (loopsEnded_ || (!force && waitForLoops(kRetry))) {
    const auto mounted = findMount(options_.mountpoint);
    if (mounted.has_value() && mounted->minor == device_) {
      unmountPath(options_.mountpoint, MNT_DETACH, kFusermountLimit);
    }
    result.outcome = UnmountResult::Outcome::Gone;
    result.reason = "the connection had ended before";
  } else if (!force) {
    // Detached from outside while files are still open on it.
    result.outcome = UnmountResult::Outcome::Gone;
    result.reason = "was unmounted from outside, and open files kept the connection";
  } else {
    result.outcome = UnmountResult::Outcome::Forced;
    result.reason = deadline.count() == 0 || hurry_ ? "force was asked for" : "busy until the deadline";
    if (error != EBUSY) result.reason = "unmount failed with errno " + std::to_string(error);
  }
  if (!unmounted && !loopsEnded_) {
    refusing_ = true;
    result.abandoned = failEverything(ECONNABORTED);
    forceUnmount();
    result.abandoned += failEverything(ECONNABORTED);
  }
  if (!finish(kLoopsLimit)) result.reason += "; some threads did not end and were left behind";
  result.durationMs = millisecondsSince(start);
  return result;
}

void Session::forceUnmount() {
  queue_.stopWaiting();
  const auto mounted = findMount(options_.mountpoint);
  const bool ours = mounted.has_value() && mounted->minor == device_;
  if (ours) unmountPath(options_.mountpoint, MNT_FORCE, kFusermountLimit);
  abortConnection(device_);
  if (!ours) return;
  const auto left = findMount(options_.mountpoint);
  if (left.has_value() && left->minor == device_) unmountPath(options_.mountpoint, MNT_DETACH, kFusermountLimit);
}

bool Session::waitForLoops(Milliseconds limit) { return loops_.waitFor(limit); }

bool Session::finish(Milliseconds limit) {
  queue_.stopWaiting();
  bool ended = waitForLoops(limit);
  finished_ = true;
  notifier_.stop();
  interrupter_.stop();
  ended = helpers_.waitFor(kHelpersLimit) && ended;
  leave();
  // A thread that is still inside libfuse keeps the session for good; freeing it would be worse than leaking it.
  if (!ended) return false;
  std::unique_lock life(life_);
  if (session_ == nullptr) return true;
  fuse_session_unmount(session_);
  fuse_session_destroy(session_);
  session_ = nullptr;
  return true;
}

void Session::abandon(Milliseconds limit) {
  unmounting_ = true;
  refusing_ = true;
  if (finished_) return;
  failEverything(ECONNABORTED);
  forceUnmount();
  finish(limit);
}

}  // namespace fuse_native
