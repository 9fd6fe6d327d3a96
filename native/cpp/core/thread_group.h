// Threads that nobody has to join: each one is detached and counted, and whoever tears down waits for the count with a
// limit. (A joinable std::thread that is destroyed terminates the process, which is what process.exit would do.)
// Bodies have to own what they use. Signals are blocked: they belong to the main thread.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace fuse_native {

class ThreadGroup {
 public:
  /// 0 or an errno (EAGAIN when the system has no more threads). Names have at most 15 characters.
  int spawn(const char* name, std::function<void()> body) {
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    auto counter = counter_;
    {
      std::lock_guard lock(counter->mutex);
      counter->running += 1;
    }
    try {
      std::thread([counter, name, body = std::move(body)]() mutable {
        ::pthread_setname_np(::pthread_self(), name);
        body();
        body = nullptr;
        counter->ended();
      }).detach();
    } catch (const std::system_error& failure) {
      counter->ended();
      error = failure.code().value();
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return error;
  }

  /// True when every thread has ended within the time.
  bool waitFor(std::chrono::milliseconds limit) {
    std::unique_lock lock(counter_->mutex);
    return counter_->changed.wait_for(lock, limit, [&] { return counter_->running == 0; });
  }

 private:
  struct Counter {
    std::mutex mutex;
    std::condition_variable changed;
    size_t running = 0;
    void ended() {
      std::lock_guard lock(mutex);
      running -= 1;
      changed.notify_all();
    }
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
};

}  // namespace fuse_native
