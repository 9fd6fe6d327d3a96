#include "shutdown_machine.h"

#include <algorithm>
#include <cerrno>

namespace fuse_native {

namespace {
constexpr Milliseconds kFirstRetry{20};
constexpr Milliseconds kLastRetry{160};
}  // namespace

template <typename Step>
auto ShutdownMachine::outside(Lock& lock, Step step) {
  struct Relock {
    Lock& lock;
    ~Relock() { lock.lock(); }
  };
  lock.unlock();
  const Relock relock{lock};
  return step();
}

bool ShutdownMachine::begin(ShutdownPlan plan, Observer observer) {
  Lock lock(mutex_);
  if (phase_ != Phase::Running) return false;
  plan_ = std::move(plan);
  observer_ = std::move(observer);
  report_.asked = plan_.reason;
  if (plan_.force && forced_.empty()) forced_ = "force was asked for";
  entered_ = clock_.now();
  phase_ = Phase::Draining;
  return true;
}

void ShutdownMachine::proceed(Milliseconds unmount) {
  Lock lock(mutex_);
  if (phase_ > Phase::Draining || proceed_) return;
  proceed_ = true;
  plan_.unmount = unmount;
  clock_.wake();
}

void ShutdownMachine::force(const std::string& reason) {
  Lock lock(mutex_);
  if (forced_.empty()) forced_ = reason;
  clock_.wake();
}

void ShutdownMachine::connectionEnded() {
  Lock lock(mutex_);
  ended_ = true;
  clock_.wake();
}

bool ShutdownMachine::waitClosed(Milliseconds limit) {
  Lock lock(mutex_);
  const auto end = clock_.now() + limit;
  while (phase_ != Phase::Closed && clock_.now() < end) clock_.wait(lock, end);
  return phase_ == Phase::Closed;
}

ShutdownReport ShutdownMachine::run() {
  Lock lock(mutex_);
  drain(lock);
  unmount(lock);
  const auto start = clock_.now();
  const Milliseconds limit = plan_.close;
  if (!outside(lock, [&] { return steps_.close(limit); })) {
    report_.reason += "; some threads did not end and were left behind";
  }
  report_.closing = std::chrono::duration_cast<Milliseconds>(clock_.now() - start);
  phase_ = Phase::Closed;
  clock_.wake();
  if (observer_) outside(lock, [&] { observer_(Phase::Closed, report_.unmounting); });
  return report_;
}

void ShutdownMachine::enter(Lock& lock, Phase phase, Milliseconds& before) {
  const auto now = clock_.now();
  before = std::chrono::duration_cast<Milliseconds>(now - entered_);
  entered_ = now;
  phase_ = phase;
  if (observer_) outside(lock, [&] { observer_(phase, before); });
}

void ShutdownMachine::drain(Lock& lock) {
  const auto deadline = entered_ + plan_.drain;
  if (observer_ && plan_.drain.count() > 0) outside(lock, [&] { observer_(Phase::Draining, Milliseconds(0)); });
  while (!proceed_ && !ended_ && forced_.empty() && clock_.now() < deadline) clock_.wait(lock, deadline);
  report_.drained = proceed_ || plan_.drain.count() == 0;
  enter(lock, Phase::Unmounting, report_.draining);
}

void ShutdownMachine::unmount(Lock& lock) {
  const auto start = entered_;
  const bool unmounted = unmountPolitely(lock);
  if (!unmounted && !outside(lock, [&] { return steps_.connectionEnded(); })) {
    outside(lock, [&] {
      report_.abandoned = steps_.failEverything();
      steps_.tearDown();
      // What was on its way into the table meanwhile.
      report_.abandoned += steps_.failEverything();
    });
  }
  report_.unmounting = std::chrono::duration_cast<Milliseconds>(clock_.now() - start);
}

// True when a plain unmount did it. Says in the report what it was otherwise.
bool ShutdownMachine::unmountPolitely(Lock& lock) {
  using Outcome = ShutdownReport::Outcome;
  const auto end = [&](Outcome outcome, std::string reason) {
    report_.outcome = outcome;
    report_.reason = std::move(reason);
    return outcome == Outcome::Graceful;
  };
  const auto deadline = entered_ + plan_.unmount;
  Milliseconds retry = kFirstRetry;
  while (true) {
    if (outside(lock, [&] { return steps_.connectionEnded(); })) {
      outside(lock, [&] { steps_.tearDown(); });
      return end(Outcome::Gone, "the connection had ended before");
    }
    if (!forced_.empty()) return end(Outcome::Forced, forced_);
    const Milliseconds limit = plan_.unmount;
    const int error = outside(lock, [&] { return steps_.unmount(limit); });
    if (error == 0) return end(Outcome::Graceful, "unmounted");
    if (error == ENOENT) {
      // Detached by somebody else; without open files the connection ends in these moments.
      const auto moment = clock_.now() + kFirstRetry;
      while (!ended_ && clock_.now() < moment) clock_.wait(lock, moment);
      return end(Outcome::Gone, ended_ ? "the connection had ended before"
                                       : "was unmounted from outside, and open files kept the connection");
    }
    if (error != EBUSY) return end(Outcome::Forced, "unmount failed with errno " + std::to_string(error));
    const auto now = clock_.now();
    if (now >= deadline) return end(Outcome::Forced, "busy until the deadline");
    const auto next = std::min(deadline, now + retry);
    while (forced_.empty() && !ended_ && clock_.now() < next) clock_.wait(lock, next);
    retry = std::min(kLastRetry, retry * 2);
  }
}

}  // namespace fuse_native
