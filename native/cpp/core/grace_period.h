// Waiting until everybody who may still use an old value is done with it, without a lock that they would share.
//
// Each loop thread says in a slot of its own when it begins to answer from a table and when the answer was written.
// Whoever dropped something from the table calls `wait` and then knows that every answer that may contain it has been
// written. Answers only take microseconds, so waiting is yielding.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

namespace fuse_native {

class GracePeriod {
 public:
  static constexpr unsigned kSlots = 16;

  class Answering {
   public:
    Answering(GracePeriod& period, unsigned slot) : slot_(period.slots_[slot % kSlots].since) {
      slot_.store(period.epoch_.load());
    }
    ~Answering() { slot_.store(0); }
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;

   private:
    std::atomic<uint64_t>& slot_;
  };

  void wait() {
    const uint64_t epoch = epoch_.fetch_add(1) + 1;
    for (Slot& slot : slots_) {
      for (uint64_t since = slot.since.load(); since != 0 && since < epoch; since = slot.since.load()) {
        std::this_thread::yield();
      }
    }
  }

 private:
  struct alignas(64) Slot {
    std::atomic<uint64_t> since{0};
  };
  std::atomic<uint64_t> epoch_{1};
  std::array<Slot, kSlots> slots_;
};

}  // namespace fuse_native
