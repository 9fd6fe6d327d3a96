// The life of a session with a clock that only moves when the machine waits, and steps that follow a script.
#include "../core/shutdown_machine.h"

#include <cerrno>
#include <map>
#include <thread>

#include "../core/shutdown_clock.h"
#include "check.h"

using namespace fuse_native;
using Outcome = ShutdownReport::Outcome;

namespace {

class FakeClock : public ShutdownClock {
 public:
  Time now() override { return now_; }
  /// Moves to whatever comes first: the time that is waited for, or the next thing that happens.
  void wait(std::unique_lock<std::mutex>& lock, Time until) override {
    if (events_.empty() || events_.begin()->first > until) {
      now_ = until;
      return;
    }
    const auto event = events_.begin();
    now_ = std::max(now_, event->first);
    const auto happen = event->second;
    events_.erase(event);
    lock.unlock();
    happen();
    lock.lock();
  }
  void wake() override {}
  void advance(int ms) { now_ += Milliseconds(ms); }
  void at(int ms, std::function<void()> happen) { events_.emplace(Time() + Milliseconds(ms), std::move(happen)); }

 private:
  Time now_;
  std::multimap<Time, std::function<void()>> events_;
};

struct FakeMount : ShutdownSteps {
  explicit FakeMount(FakeClock& clock) : clock(clock) {}
  bool connectionEnded() override { return ended; }
  int unmount(Milliseconds) override {
    attempts += 1;
    if (clock.now() < freeFrom) return EBUSY;
    if (error == 0) ended = true;
    return error;
  }
  uint64_t failEverything() override {
    const uint64_t failed = parked;
    parked = 0;
    log += "fail ";
    return failed;
  }
  void tearDown() override {
    log += "tear ";
    ended = true;
    parked = late;
  }
  bool close(Milliseconds limit) override {
    log += "close";
    clock.advance(closes ? 3 : static_cast<int>(limit.count()));
    return closes;
  }
  /// Busy before that.
  void busyUntil(int ms) { freeFrom = ShutdownClock::Time() + Milliseconds(ms); }

  FakeClock& clock;
  ShutdownClock::Time freeFrom;
  bool ended = false;
  bool closes = true;
  int error = 0;
  int attempts = 0;
  uint64_t parked = 0;
  uint64_t late = 0;
  std::string log;
};

struct Life {
  FakeClock clock;
  FakeMount mount{clock};
  ShutdownMachine machine{mount, clock};
  std::string seen;

  ShutdownReport end(int drain, int unmount, bool force = false) {
    ShutdownPlan plan;
    plan.reason = "test";
    plan.drain = Milliseconds(drain);
    plan.unmount = Milliseconds(unmount);
    plan.force = force;
    const bool first = machine.begin(plan, [this](Phase phase, Milliseconds before) {
      CHECK(machine.phase() == phase);
      seen += std::to_string(static_cast<int>(phase)) + ":" + std::to_string(before.count()) + " ";
    });
    CHECK(first);
    CHECK(machine.phase() == Phase::Draining);
    const ShutdownReport report = machine.run();
    CHECK(machine.phase() == Phase::Closed);
    return report;
  }
};

}  // namespace

TEST(shutdown_goes_through_its_phases_in_order) {
  Life life;
  life.clock.at(70, [&] { life.machine.proceed(Milliseconds(500)); });
  life.mount.busyUntil(120);
  const ShutdownReport report = life.end(5000, 1);
  CHECK(report.outcome == Outcome::Graceful && report.drained && report.abandoned == 0);
  CHECK(report.asked == "test" && report.reason == "unmounted");
  CHECK(report.draining == Milliseconds(70));
  CHECK(report.unmounting == Milliseconds(60));  // tried at 0, 20 and 60 ms
  CHECK(report.closing == Milliseconds(3) && report.total() == Milliseconds(133));
  CHECK(life.mount.attempts == 3 && life.mount.log == "close");
  CHECK(life.seen == "1:0 2:70 3:60 ");
}

TEST(shutdown_skips_a_drain_of_no_time) {
  Life life;
  const ShutdownReport report = life.end(0, 100);
  CHECK(report.outcome == Outcome::Graceful && report.drained && report.draining.count() == 0);
  CHECK(life.seen == "2:0 3:0 ");
}

TEST(shutdown_ends_the_drain_at_its_deadline) {
  Life life;
  const ShutdownReport report = life.end(200, 100);
  CHECK(!report.drained && report.draining == Milliseconds(200) && report.outcome == Outcome::Graceful);
}

TEST(shutdown_forces_a_busy_mount_at_its_deadline) {
  Life life;
  life.mount.busyUntil(100000);
  life.mount.parked = 3;
  life.mount.late = 2;
  const ShutdownReport report = life.end(0, 300);
  CHECK(report.outcome == Outcome::Forced && report.reason == "busy until the deadline");
  CHECK(report.abandoned == 5 && report.unmounting == Milliseconds(300));
  CHECK(life.mount.log == "fail tear fail close");
}

TEST(shutdown_is_forced_in_every_phase) {
  // Before it begins, in the drain, and while the mount is busy.
  for (const int when : {-1, 50, 150}) {
    Life life;
    life.mount.busyUntil(100000);
    const auto force = [&] { life.machine.force("second signal"); };
    if (when < 0) {
      force();
    } else {
      life.clock.at(when, force);
    }
    const ShutdownReport report = life.end(100, 1000);
    CHECK(report.outcome == Outcome::Forced && report.reason == "second signal");
    CHECK(report.draining == Milliseconds(when < 0 ? 0 : std::min(when, 100)));
    CHECK(report.unmounting == Milliseconds(when == 150 ? 50 : 0));
    CHECK(report.drained == false);
    life.machine.force("too late");
    life.machine.proceed(Milliseconds(1));
    CHECK(life.machine.phase() == Phase::Closed);
  }
  Life life;
  life.mount.parked = 1;
  const ShutdownReport report = life.end(100, 1000, true);
  CHECK(report.outcome == Outcome::Forced && report.abandoned == 1 && report.total() == Milliseconds(3));
}

TEST(shutdown_counts_what_ended_without_it) {
  Life before;
  before.mount.ended = true;
  CHECK(before.end(0, 100).outcome == Outcome::Gone);
  CHECK(before.mount.attempts == 0 && before.mount.log == "tear close");

  Life during;
  during.clock.at(40, [&] {
    during.mount.ended = true;
    during.machine.connectionEnded();
  });
  const ShutdownReport report = during.end(1000, 100);
  CHECK(report.outcome == Outcome::Gone && report.draining == Milliseconds(40) && !report.drained);

  Life detached;
  detached.mount.error = ENOENT;
  detached.mount.parked = 1;
  const ShutdownReport kept = detached.end(0, 100);
  CHECK(kept.outcome == Outcome::Gone && kept.abandoned == 1);
  CHECK(kept.reason == "was unmounted from outside, and open files kept the connection");
}

TEST(shutdown_does_not_repeat_what_cannot_succeed) {
  Life life;
  life.mount.error = EPERM;
  const ShutdownReport report = life.end(0, 1000);
  CHECK(report.outcome == Outcome::Forced && life.mount.attempts == 1);
  CHECK(report.reason == "unmount failed with errno 1");
}

TEST(shutdown_leaves_threads_behind_at_the_last_deadline) {
  Life life;
  life.mount.closes = false;
  const ShutdownReport report = life.end(0, 100);
  CHECK(report.closing == Milliseconds(2000));
  CHECK(report.reason == "unmounted; some threads did not end and were left behind");
}

TEST(shutdown_is_begun_once) {
  Life life;
  ShutdownPlan other;
  other.reason = "other";
  life.clock.at(10, [&] { CHECK(!life.machine.begin(other, nullptr)); });
  CHECK(life.end(20, 0).asked == "test");
  CHECK(!life.machine.begin(other, nullptr));
}

TEST(shutdown_is_forced_from_another_thread) {
  SteadyShutdownClock clock;
  FakeClock unused;
  FakeMount mount(unused);
  mount.busyUntil(1);
  ShutdownMachine machine(mount, clock);
  ShutdownPlan plan;
  plan.drain = plan.unmount = Milliseconds(60000);
  CHECK(machine.begin(plan, nullptr));
  CHECK(!machine.waitClosed(Milliseconds(1)));
  std::thread ending([&] { CHECK(machine.run().outcome == Outcome::Forced); });
  machine.force("impatience");
  CHECK(machine.waitClosed(Milliseconds(10000)));
  ending.join();
}
