// Random sequences on several contents and handles against what a sequential program would have done: writes,
// truncates, flushes, cancels, failures and every kind of waiting, one step at a time.
#include <algorithm>
#include <array>
#include <random>

#include "write_queue_fixture.h"

using namespace fuse_native;
using fuse_native_test::Fixture;

namespace {

/// What a program that does one thing after the other would see.
class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {}

  void run() {
    for (unsigned round = 0; round < 400; round++) act();
    while (!settled()) turn();
    for (Fixture& f : files_) {
      CHECK(f.queue.idle() && f.target.changes == 0 && f.total->queued == 0 && f.total->queuedBytes == 0);
      CHECK(!f.budget->isFull());
    }
    for (size_t i = 0; i < 3; i++) CHECK(files_[i].target.file == expected(i));
    CHECK(answered_ + cancelled_ == next_);
  }

 private:
  struct Op {
    size_t file;
    WaiterId waiter;
    uint64_t offset;
    std::string bytes;
    bool truncates = false;
    bool cancelled = false;
  };

  void act() {
    const size_t i = random_() % 3;
    Fixture& f = files_[i];
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
      case 3:
        return add({i, ++next_, random_() % 40, std::string(1 + random_() % 12, static_cast<char>('a' + next_ % 26))},
                   random_() % 5 == 0 ? Urgency::High : Urgency::Normal);
      case 4:
        return truncate(i);
      case 5:
        return flush(i);
      case 6:
        f.target.hold = random_() % 3 == 0 ? Hold::None : random_() % 2 == 0 ? Hold::Permission : Hold::Dirty;
        return;
      case 7:
        f.target.failWrites += static_cast<int>(random_() % 2);
        return;
      case 8:
        return cancel();
      default:
        return turn();
    }
  }

  void add(Op op, Urgency urgency) {
    Fixture& f = files_[op.file];
    f.write(op.waiter, op.bytes, op.offset, urgency, accounts_[random_() % 2]);
    ops_.push_back(std::move(op));
  }

  void truncate(size_t i) {
    const WaiterId waiter = ++next_;
    const uint64_t size = random_() % 40;
    files_[i].barrier(waiter, [this, i, size] {
      files_[i].target.file.resize(size, '\0');
      return 0;
    }, Urgency::Normal);
    ops_.push_back({i, waiter, size, "", true});
  }

  // When a flush has its turn, everything before it has had its own and nothing behind it.
  void flush(size_t i) {
    const WaiterId waiter = ++next_;
    const size_t before = ops_.size();
    files_[i].barrier(waiter, [this, i, before] {
      CHECK(files_[i].target.file == expected(i, before));
      return 0;
    });
    barriers_.emplace_back(i, waiter);
  }

  void cancel() {
    if (next_ == 0) return;
    const WaiterId waiter = 1 + random_() % next_;
    for (Fixture& f : files_) {
      if (!f.queue.cancel(waiter)) continue;
      cancelled_ += 1;
      for (Op& op : ops_) op.cancelled = op.cancelled || op.waiter == waiter;
    }
  }

  /// One step of one queue, or an answer to what it asked.
  void turn() {
    Fixture& f = files_[random_() % 3];
    if (!f.target.asked.empty()) {
      const Hold asked = f.target.asked.front().first;
      f.target.asked.erase(f.target.asked.begin());
      if (f.target.hold == asked) f.target.hold = Hold::None;
      f.queue.resume(asked, asked != Hold::Dirty && random_() % 3 == 0 ? ENOSPC : 0);
    } else if (!f.target.scheduled.empty()) {
      f.target.scheduled.erase(f.target.scheduled.begin());
      f.queue.step();
    }
    answered_ = 0;
    for (const Fixture& each : files_) answered_ += each.results.size();
  }

  bool settled() const {
    for (const Fixture& f : files_) {
      if (!f.target.asked.empty() || !f.target.scheduled.empty() || !f.queue.idle()) return false;
    }
    return true;
  }

  /// The file after those of the first `count` operations that were neither cancelled nor answered with an error.
  std::string expected(size_t file, size_t count = SIZE_MAX) const {
    std::string out;
    for (size_t i = 0; i < std::min(count, ops_.size()); i++) {
      const Op& op = ops_[i];
      const auto result = files_[file].results.find(op.waiter);
      if (op.file != file || op.cancelled || result == files_[file].results.end() || result->second < 0) continue;
      if (op.truncates) {
        out.resize(op.offset, '\0');
      } else {
        if (out.size() < op.offset + op.bytes.size()) out.resize(op.offset + op.bytes.size(), '\0');
        out.replace(op.offset, op.bytes.size(), op.bytes);
      }
    }
    return out;
  }

  std::mt19937 random_;
  std::array<Fixture, 3> files_;
  std::array<std::shared_ptr<WriteAccount>, 2> accounts_{std::make_shared<WriteAccount>(1, 1),
                                                         std::make_shared<WriteAccount>(2, 1)};
  std::vector<Op> ops_;
  std::vector<std::pair<size_t, WaiterId>> barriers_;
  WaiterId next_ = 0;
  size_t answered_ = 0;
  size_t cancelled_ = 0;
};

}  // namespace

TEST(write_queues_agree_with_a_sequential_program) {
  for (unsigned seed = 1; seed <= 300; seed++) Model(seed).run();
}
