// Everybody at once: what the sanitizers are to look at. Right bytes are checked as well: each page has one value for
// life, whoever writes it, so a reader sees that value, zeros of a hole after a truncation, or an errno.
#include <atomic>
#include <random>
#include <thread>

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "../core/content_table.h"
#include "check.h"

using namespace fuse_native;
using fuse_native_test::TemporaryFile;

namespace {

constexpr uint64_t kPage = 128 * 1024;
constexpr uint64_t kPages = 24;
constexpr size_t kPiece = 512;

char valueOf(uint64_t page) { return static_cast<char>('A' + page); }

/// Counts what has been started and has not ended.
struct Outstanding {
  std::atomic<int64_t> count{0};
  std::atomic<int64_t> wrong{0};
  Done done(int accepted = 0) {
    count += 1;
    return [this, accepted](int error) {
      if (error != 0 && error != accepted) wrong += 1;
      count -= 1;
    };
  }
};

class Storm {
 public:
  explicit Storm(const std::string& path) {
    CHECK(ContentTable::create([this] { wakes_ += 1; }, table_, 1000, limits()) == 0);
    ContentSpec spec;
    spec.path = path;
    spec.size = kPages * kPage;
    CHECK(table_->open(1, spec) == 0);
    CHECK(table_->find(1, content_) == 0);
    account_ = table_->openAccount(1, 1);
  }

  void run(unsigned rounds) {
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 4; seed++) threads.emplace_back([this, seed, rounds] { use(seed, rounds); });
    threads.emplace_back([this] { serve(); });
    for (size_t i = 0; i + 1 < threads.size(); i++) threads[i].join();
    stop_ = true;
    threads.back().join();
    table_->failRange(1, 0, kPages * kPage, EIO);
    while (outstanding_.count > 0) {
      answerEvents();
      table_->failRange(1, 0, kPages * kPage, EIO);
      std::this_thread::yield();
    }
    CHECK(outstanding_.wrong == 0);
    CHECK(wakes_ > 0);
    CHECK(table_->waiters() == 0);
    CHECK(content_->writes.idle());
    const WriteAccount& total = table_->totals();
    CHECK(total.operations == total.completed + total.failed + total.cancelled);
    CHECK(total.queued == 0 && total.queuedBytes == 0 && total.failed == 0);
    CHECK(account_->operations == total.operations);
    CHECK(!table_->writeBudget().isFull());
    CHECK(table_->close(1) == 0);
    CHECK(table_->dispose(false) == 0);
  }

 private:
  /// Small enough that writers stall and the budget fills.
  static WriteLimits limits() {
    WriteLimits limits;
    limits.handleOperations = 2;
    limits.dirtyBytes = 64 * kPiece;
    return limits;
  }

  void use(unsigned seed, unsigned rounds) {
    std::mt19937 random(seed);
    for (unsigned i = 0; i < rounds; i++) {
      const uint64_t page = random() % kPages;
      const uint64_t offset = page * kPage + random() % (kPage - kPiece);
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          read(page, offset);
          break;
        case 3:
        case 4:
          write(random, page, offset);
          break;
        case 5:
          CHECK(table_->fill(1, page * kPage, std::vector<char>(kPage, valueOf(page)), outstanding_.done()) == 0);
          break;
        case 6:
          cancelledRead(page, offset);
          break;
        case 7:
          change(random);
          break;
      }
    }
  }

  ReadDone check(uint64_t page) {
    outstanding_.count += 1;
    return [this, page](int error, const char* bytes, size_t length) {
      for (size_t i = 0; error == 0 && i < length; i++) {
        if (bytes[i] != valueOf(page) && bytes[i] != 0) outstanding_.wrong += 1;
      }
      outstanding_.count -= 1;
    };
  }

  void read(uint64_t page, uint64_t offset) {
    table_->readOrWait(content_, table_->nextWaiter(), offset, kPiece, 0, check(page));
  }

  void cancelledRead(uint64_t page, uint64_t offset) {
    const WaiterId waiter = table_->nextWaiter();
    table_->readOrWait(content_, waiter, offset, kPiece, 0, check(page));
    if (table_->cancel(waiter)) outstanding_.count -= 1;
  }

  void write(std::mt19937& random, uint64_t page, uint64_t offset) {
    const std::string bytes(kPiece, valueOf(page));
    const bool synchronous = random() % 16 == 0;
    const WriteRequest request{bytes.data(), bytes.size(), offset, synchronous, account_, monotonicNs()};
    auto check = [this](ssize_t result) {
      if (result != static_cast<ssize_t>(kPiece)) outstanding_.wrong += 1;
    };
    const ssize_t written = table_->writeNow(content_, request);
    if (written != -EAGAIN) return check(written);
    outstanding_.count += 1;
    const WaiterId waiter = table_->nextWaiter();
    table_->queueWrite(content_, waiter, request, [this, check](ssize_t result) {
      check(result);
      outstanding_.count -= 1;
    });
    if (random() % 8 == 0 && table_->cancel(waiter)) outstanding_.count -= 1;
  }

  void wait(std::mt19937& random) {
    if (random() % 2 == 0) {
      table_->barrier(content_, table_->nextWaiter(), outstanding_.done());
      return;
    }
    outstanding_.count += 1;
    const auto limit = std::chrono::milliseconds(random() % 20);
    CHECK(table_->flush(random() % 2, limit, [this](const std::vector<FlushLeft>& left) {
      for (const FlushLeft& each : left) {
        if (each.content != 1) outstanding_.wrong += 1;
      }
      outstanding_.count -= 1;
    }) == 0);
  }

  void change(std::mt19937& random) {
    const uint64_t page = random() % kPages;
    const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    switch (random() % 7) {
      case 6:
        wait(random);
        break;
      case 0:
        CHECK(table_->truncate(1, page * kPage, outstanding_.done()) == 0);
        CHECK(table_->truncate(1, kPages * kPage, outstanding_.done()) == 0);
        break;
      case 1:
        CHECK(table_->allocate(1, punch, page * kPage, kPage, outstanding_.done()) == 0);
        break;
      case 2:
        snapshot();
        break;
      case 3:
        content_->body->markClean(content_->body->generation());
        break;
      case 4:
        CHECK(table_->drop(1) == 0);
        break;
      case 5:
        CHECK(table_->sync(1, random() % 2 == 0, outstanding_.done()) == 0);
        break;
    }
  }

  /// A frozen file does not change: two looks at it agree.
  void snapshot() {
    outstanding_.count += 1;
    CHECK(table_->freeze(1, [this](int error, uint64_t, int fd) {
      if (error == 0) {
        ::close(fd);
        content_->body->thaw();
      } else if (error != EBUSY) {
        outstanding_.wrong += 1;
      }
      outstanding_.count -= 1;
    }) == 0);
  }

  void serve() {
    while (!stop_) {
      answerEvents();
      content_->body->snapshot();
      std::this_thread::yield();
    }
  }

  void answerEvents() {
    uint64_t words[4096];
    const size_t used = table_->events().take(words, 4096, 256);
    for (size_t at = 0; at < used; at += words[at] >> 32) {
      double fields[4] = {};
      std::memcpy(fields, &words[at + 1], std::min<size_t>(sizeof fields, ((words[at] >> 32) - 1) * 8));
      if (static_cast<Op>(words[at] & 0xffffffff) == Op::Dirty) {
        CHECK(table_->answer(static_cast<WaiterId>(fields[0]), 0));
      } else {
        fetch(static_cast<uint64_t>(fields[1]), static_cast<uint64_t>(fields[2]));
      }
    }
  }

  void fetch(uint64_t offset, uint64_t length) {
    std::vector<char> bytes(length);
    for (uint64_t i = 0; i < length; i++) bytes[i] = valueOf((offset + i) / kPage);
    CHECK(table_->fill(1, offset, std::move(bytes), outstanding_.done()) == 0);
  }

  std::shared_ptr<ContentTable> table_;
  ContentPtr content_;
  std::shared_ptr<WriteAccount> account_;
  Outstanding outstanding_;
  std::atomic<uint64_t> wakes_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace

TEST(table_in_a_storm) {
  TemporaryFile file;
  Storm(file.path()).run(1500);
}
