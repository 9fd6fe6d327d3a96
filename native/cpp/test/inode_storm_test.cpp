// Threads that answer from the inode table while others fill, change and invalidate it.
#include <atomic>
#include <random>
#include <thread>

#include "../core/grace_period.h"
#include "../core/inode_table.h"
#include "check.h"

using namespace fuse_native;

namespace {

constexpr double kLong = 1000;
constexpr uint64_t kNodes = 64;

struct Inodes {
  InodeTable table{1000};
  /// The version of each node that the world has; older ones may only be answered by who began before they were
  /// dropped.
  std::atomic<uint64_t> dropped[kNodes + 2]{};
  std::atomic<uint64_t> versions[kNodes + 2]{};
  std::atomic<uint64_t> handedOut{0};
  std::atomic<uint64_t> givenBack{0};
  std::atomic<bool> over{false};

  InodeEntry entryOf(uint64_t node, uint64_t version) {
    InodeEntry entry;
    entry.node = entry.attr.st_ino = node;
    entry.attr.st_mode = S_IFREG;
    entry.attr.st_nlink = 1;
    entry.attr.st_size = static_cast<off_t>(version);
    entry.attr.st_blksize = 4096;
    entry.attrTimeout = entry.entryTimeout = kLong;
    return entry;
  }

  void answer(unsigned seed) {
    std::mt19937 random(seed);
    while (!over) {
      const uint64_t node = 2 + random() % kNodes;
      const std::string name = std::to_string(node);
      const uint64_t floor = dropped[node];
      InodeEntry entry;
      if (table.lookup(1, name, entry)) {
        handedOut += 1;
        CHECK(entry.node == node && static_cast<uint64_t>(entry.attr.st_size) >= floor);
        if (random() % 2 == 0) giveBack(node);
      } else {
        const auto asked = table.sequence();
        const uint64_t version = versions[node];
        table.count(node);
        handedOut += 1;
        table.found(asked, 1, name, entryOf(node, version));
      }
      if (random() % 8 == 0) list();
    }
  }

  void list() {
    std::vector<ListedEntry> lines;
    const auto asked = table.sequence();
    if (table.list(1, 0, true, [&](size_t) { return lines.size() < 20; }, lines)) {
      for (const ListedEntry& line : lines) {
        if (!line.known) continue;
        handedOut += 1;
        giveBack(line.entry.node);
      }
      return;
    }
    ListedPage page{0, {}, true, kLong};
    for (uint64_t node = 2; node < 2 + kNodes; node++) {
      page.entries.push_back({std::to_string(node), node + 2, true, entryOf(node, versions[node])});
    }
    table.listed(asked, 1, page);
  }

  void giveBack(uint64_t node) {
    table.forget(node, 1);
    givenBack += 1;
  }

  void change(unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 20000; i++) {
      const uint64_t node = 2 + random() % kNodes;
      const uint64_t version = versions[node] += 1;
      switch (random() % 4) {
        case 0:
          // A name that is not known here may mean any node: nothing is promised about attributes.
          table.dropEntry(1, std::to_string(node));
          continue;
        case 1:
          table.beginWriting(node);
          table.endWriting(node);
          break;
        case 2:
          table.retire(node);
          table.changed(node);
          break;
        default:
          table.dropNode(node, true);
      }
      dropped[node] = version;
    }
  }
};

}  // namespace

TEST(inodes_survive_a_storm) {
  Inodes inodes;
  std::vector<std::thread> answering;
  for (unsigned seed = 1; seed <= 3; seed++) answering.emplace_back([&, seed] { inodes.answer(seed); });
  inodes.change(9);
  inodes.over = true;
  for (std::thread& thread : answering) thread.join();
  uint64_t held = 0;
  for (uint64_t node = 2; node < 2 + kNodes; node++) held += inodes.table.lookups(node);
  CHECK(held == inodes.handedOut - inodes.givenBack);
}

TEST(a_grace_period_waits_for_answers_that_began_before) {
  GracePeriod period;
  std::atomic<uint64_t> current{0};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> written[2] = {0, 0};
  std::vector<std::thread> threads;
  for (unsigned slot = 0; slot < 2; slot++) {
    threads.emplace_back([&, slot] {
      while (!over) {
        const GracePeriod::Answering answering(period, slot);
        const uint64_t seen = current;
        std::this_thread::yield();
        written[slot] = seen;
      }
    });
  }
  for (uint64_t value = 1; value <= 2000; value++) {
    current = value;
    period.wait();
    // Nobody writes an older value from here on.
    const uint64_t before[2] = {written[0], written[1]};
    std::this_thread::yield();
    for (unsigned slot = 0; slot < 2; slot++) CHECK(written[slot] == before[slot] || written[slot] >= value);
  }
  over = true;
  for (std::thread& thread : threads) thread.join();
}
