// Which of a session's threads wait for the next request.
//
// Model: leader and followers. The kernel wakes the threads that read the device in turn, so each one more is another
// cold stack and a switch for nothing while requests are answered from memory. Then `kSteady` threads read and the others
// stay aside. What *lasts* is different: files, disks, and what others answer; such requests overlap, and more readers
// serve them sooner. So threads are called when a stream of them begins, and one at once when nobody is left to read;
// whoever served one reads on, and the first short request that meets enough readers sends its thread aside again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace fuse_native {

class ReadingCrew {
 public:
  /// Readers that are enough for short requests: one that answers, and one that reads on meanwhile.
  static constexpr unsigned kSteady = 2;
  /// So many lasting requests one after the other are a stream; a single one between short ones calls nobody.
  static constexpr unsigned kStream = 4;

  /// Before a thread reads; `lasted` says whether its last request did. It may wait aside until it is called or `stop`.
  void enter(bool lasted) {
    if (!lasted && readers_.load() >= kSteady) waitAside();
    readers_.fetch_add(1);
  }

  /// The thread has a request, or found that none will come.
  void began(bool mayLast) {
    if (readers_.fetch_sub(1) == 1 && mayLast) call();
  }

  /// The thread has served its request, or left it to others.
  void ended(bool lasted) {
    if (!lasted) {
      if (stream_.load(std::memory_order_relaxed) != 0) stream_.store(0, std::memory_order_relaxed);
    } else if (stream_.fetch_add(1, std::memory_order_relaxed) + 1 >= kStream && aside_.load() > 0) {
      call();
    }
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
  /// Lasting requests since the last short one.
  std::atomic<unsigned> stream_{0};
  std::mutex mutex_;
  std::condition_variable called_;
  /// Changed under the lock.
  std::atomic<unsigned> aside_{0};
  unsigned calls_ = 0;
  bool stopped_ = false;
};

}  // namespace fuse_native
