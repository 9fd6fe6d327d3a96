// The end of a session: RUNNING -> DRAINING -> UNMOUNTING -> CLOSED, never back.
//
// DRAINING serves reads, refuses what would begin a change, and waits for `proceed` or its deadline: what has to be
// flushed is upstairs. UNMOUNTING asks politely while the mount is busy; at its deadline everything pending is answered
// with an errno and the connection is torn down. CLOSED is reached when the threads have ended, or were left behind at
// the last deadline. So every wait has a limit, and nothing that JavaScript does or omits keeps the mount.
//
// One thread runs `run`; the others may be called from any. The machine knows no mount and no clock: `Steps` and
// `Clock` are given, and tests give their own. `mutex_` is never held while a step or the observer runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace fuse_native {

enum class Phase : uint32_t { Running, Draining, Unmounting, Closed };

using Milliseconds = std::chrono::milliseconds;

struct ShutdownPlan {
  std::string reason;
  /// Longest DRAINING; zero skips it.
  Milliseconds drain{0};
  /// How long a busy mount is asked politely.
  Milliseconds unmount{0};
  /// How long the threads may take to end.
  Milliseconds close{2000};
  bool force = false;
};

struct ShutdownReport {
  /// Gone: somebody else had unmounted, or the connection had ended.
  enum class Outcome { Graceful, Forced, Gone };
  Outcome outcome = Outcome::Gone;
  /// Why it was begun, and how it ended.
  std::string asked;
  std::string reason;
  Milliseconds draining{0};
  Milliseconds unmounting{0};
  Milliseconds closing{0};
  /// False: the drain was cut short by its deadline, by force, or by the end of the connection.
  bool drained = false;
  /// Requests that were answered with an errno to get out.
  uint64_t abandoned = 0;

  Milliseconds total() const { return draining + unmounting + closing; }
};

/// What is done to the session that ends. Called by the thread in `run`, one at a time.
class ShutdownSteps {
 public:
  virtual ~ShutdownSteps() = default;
  /// The kernel will send nothing any more.
  virtual bool connectionEnded() = 0;
  /// One plain attempt: 0, EBUSY, ENOENT when nothing of ours is mounted there, or what else is in the way.
  virtual int unmount(Milliseconds limit) = 0;
  /// Answers everything pending with an errno, and from now on everything that comes; returns how many.
  virtual uint64_t failEverything() = 0;
  /// Aborts the connection and detaches the mount, whoever uses it.
  virtual void tearDown() = 0;
  /// Waits for the threads and frees the session. False: some did not end.
  virtual bool close(Milliseconds limit) = 0;
};

class ShutdownClock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  virtual ~ShutdownClock() = default;
  virtual Time now() = 0;
  /// Gives the lock away until `wake` or the time.
  virtual void wait(std::unique_lock<std::mutex>& lock, Time until) = 0;
  virtual void wake() = 0;
};

class ShutdownMachine {
 public:
  /// Told of each phase that is entered, and how long the one before took. Called by the thread in `run`.
  using Observer = std::function<void(Phase entered, Milliseconds before)>;

  ShutdownMachine(ShutdownSteps& steps, ShutdownClock& clock) : steps_(steps), clock_(clock) {}

  Phase phase() const { return phase_; }
  /// Leaves RUNNING: changes are refused from here on. False when somebody has done so before, whose plan counts.
  bool begin(ShutdownPlan plan, Observer observer);
  /// Ends DRAINING; from then on a busy mount has this long. No effect in later phases.
  void proceed(Milliseconds unmount);
  /// No phase waits any longer for anybody.
  void force(const std::string& reason);
  /// The kernel has ended the connection: there is nobody left to drain for.
  void connectionEnded();
  /// From `begin` to CLOSED; for the one whose `begin` was true.
  ShutdownReport run();
  /// True when CLOSED is reached within the time.
  bool waitClosed(Milliseconds limit);

 private:
  using Lock = std::unique_lock<std::mutex>;
  void drain(Lock& lock);
  void unmount(Lock& lock);
  bool unmountPolitely(Lock& lock);
  void enter(Lock& lock, Phase phase, Milliseconds& before);
  /// A step without the lock.
  template <typename Step>
  auto outside(Lock& lock, Step step);

  ShutdownSteps& steps_;
  ShutdownClock& clock_;
  std::atomic<Phase> phase_{Phase::Running};
  std::mutex mutex_;
  ShutdownPlan plan_;
  Observer observer_;
  ShutdownReport report_;
  ShutdownClock::Time entered_;
  bool proceed_ = false;
  bool ended_ = false;
  std::string forced_;
};

}  // namespace fuse_native
