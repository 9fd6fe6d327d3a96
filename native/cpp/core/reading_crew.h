// Which of a session's threads wait for the next request.
//
// Model: leader and followers. The kernel wakes the threads that read the device in turn, so each one more is another
// cold stack and a switch for nothing. As long as requests are answered in microseconds, `kSteady` threads read and the
// others stay aside; one is called when everybody is busy with what may take long (files, disks), so that such requests
// never hold up the others. Whoever did such a thing goes on reading, so that a stream of them calls nobody; the first
// short request that meets enough readers sends its thread aside again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace fuse_native {

class ReadingCrew {
 public:
  /// Readers that are enough for short requests: one that answers, and one that reads on meanwhile.
  static constexpr unsigned kSteady = 2;

  /// Before a thread reads. After a short request it may have to wait aside until it is called or `stop`.
  void enter(bool afterLong) {
    if (!afterLong && readers_.load() >= kSteady) waitAside();
    readers_.fetch_add(1);
  }

  /// The thread has a request, or found that none will come.
  void began(bool mayTakeLong) {
    if (readers_.fetch_sub(1) == 1 && mayTakeLong) call();
  }

  /// Nobody waits aside any more.
  void stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    called_.notify_all();
  }

 private:
  void waitAside() {
    std::unique_lock lock(mutex_);
    // Under the lock, because whoever became busy before saw nobody aside to call.
    if (stopped_ || readers_.load() < kSteady) return;
    aside_ += 1;
    called_.wait(lock, [this] { return stopped_ || calls_ > 0; });
    aside_ -= 1;
    if (calls_ > 0) calls_ -= 1;
  }

  void call() {
    std::lock_guard lock(mutex_);
    if (aside_ <= calls_) return;
    calls_ += 1;
    called_.notify_one();
  }

  std::atomic<unsigned> readers_{0};
  std::mutex mutex_;
  std::condition_variable called_;
  unsigned aside_ = 0;
  unsigned calls_ = 0;
  bool stopped_ = false;
};

}  // namespace fuse_native
