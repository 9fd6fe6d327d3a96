#include "../core/inode_table.h"

#include <malloc.h>

#include "check.h"

using namespace fuse_native;

namespace {

constexpr double kLong = 1000;
double seconds = 0;
double testClock() { return seconds; }

InodeEntry entryOf(uint64_t node, uint64_t size = 0, double timeout = kLong, mode_t mode = S_IFREG | 0644) {
  InodeEntry entry;
  entry.node = node;
  entry.attr.st_ino = node;
  entry.attr.st_mode = mode;
  entry.attr.st_nlink = 1;
  entry.attr.st_size = static_cast<off_t>(size);
  entry.attr.st_blksize = 4096;
  entry.attr.st_mtim = {-5, 999999999};
  entry.attrTimeout = entry.entryTimeout = timeout;
  return entry;
}

ListedEntry lineOf(const std::string& name, uint64_t node) { return {name, node + 2, true, entryOf(node)}; }

/// Names of the page after a cookie, separated by spaces; "?" when it is not known.
std::string listed(InodeTable& table, uint64_t after, size_t most = 100, bool plus = false) {
  std::vector<ListedEntry> lines;
  size_t taken = 0;
  if (!table.list(1, after, plus, [&](size_t) { return taken++ < most; }, lines)) return "?";
  std::string names;
  for (const ListedEntry& line : lines) {
    names += (names.empty() ? "" : " ") + line.name;
    if (line.known) names += "+";
  }
  return names;
}

bool known(InodeTable& table, const char* name, uint64_t node) {
  InodeEntry entry;
  if (!table.lookup(1, name, entry)) return false;
  CHECK(entry.node == node);
  if (node != 0) table.forget(node, 1);
  return true;
}

struct stat attributesOf(InodeTable& table, uint64_t node) {
  struct stat attr;
  double timeout;
  CHECK(table.attributes(node, attr, timeout));
  return attr;
}

bool described(InodeTable& table, uint64_t node) {
  struct stat attr;
  double timeout;
  return table.attributes(node, attr, timeout);
}

}  // namespace

TEST(inodes_repeat_answers_until_they_expire) {
  seconds = 0;
  InodeTable table(1000, testClock);
  InodeEntry out;
  CHECK(!table.lookup(1, "a", out));
  table.found(table.sequence(), 1, "a", entryOf(7, 42, 10));
  table.absent(table.sequence(), 1, "b", 5);
  CHECK(table.lookup(1, "a", out));
  CHECK(out.node == 7 && out.attr.st_size == 42 && out.attr.st_mtim.tv_sec == -5);
  CHECK(out.attr.st_mtim.tv_nsec == 999999999 && out.attr.st_mode == (S_IFREG | 0644));
  CHECK(out.entryTimeout <= 10 && out.entryTimeout > 9.5);
  CHECK(table.lookups(7) == 1);
  CHECK(table.lookup(1, "b", out) && out.node == 0);
  CHECK(!table.lookup(2, "a", out));
  seconds = 6;
  CHECK(!table.lookup(1, "b", out));
  CHECK(described(table, 7));
  seconds = 10;
  CHECK(!table.lookup(1, "a", out) && !described(table, 7));
  CHECK(table.lookups(7) == 1);
  // Too short to be kept.
  table.found(table.sequence(), 1, "c", entryOf(8, 0, 0.05));
  CHECK(!table.lookup(1, "c", out));
}

TEST(inodes_count_exactly) {
  InodeTable table(1000);
  table.count(7);
  table.count(7);
  CHECK(table.lookups(7) == 2 && !table.retire(7) && table.statistics.held == 1);
  CHECK(!table.forget(7, 1));
  CHECK(table.forget(7, 1));
  CHECK(!table.forget(7, 1) && !table.forget(99, 1));
  CHECK(table.statistics.held == 0 && table.retire(7) && table.retire(99));
  table.beginWriting(8);
  CHECK(!table.retire(8));
  table.endWriting(8);
  CHECK(table.retire(8));
  table.count(InodeTable::kRoot);
  CHECK(table.lookups(InodeTable::kRoot) == 0);
}

TEST(inodes_take_nothing_from_replies_that_are_older_than_a_drop) {
  InodeTable table(1000);
  table.count(7);
  auto asked = table.sequence();
  table.dropEntry(1, "a");
  table.found(asked, 1, "a", entryOf(7));
  table.absent(asked, 1, "a", kLong);
  CHECK(!known(table, "a", 0));
  asked = table.sequence();
  table.changed(7);
  table.described(asked, 7, entryOf(7).attr, kLong);
  CHECK(!described(table, 7));
  table.described(table.sequence(), 7, entryOf(7, 3).attr, kLong);
  CHECK(attributesOf(table, 7).st_size == 3);
  asked = table.sequence();
  table.removed(1, "a");
  table.listed(asked, 1, {0, {lineOf("a", 7)}, true, kLong});
  CHECK(listed(table, 0) == "?");
  // What was dropped before it was asked for is no obstacle.
  table.found(table.sequence(), 1, "a", entryOf(7));
  CHECK(known(table, "a", 7));
}

TEST(inodes_leave_files_that_are_written_to_their_contents) {
  InodeTable table(1000);
  table.found(table.sequence(), 1, "a", entryOf(7));
  CHECK(known(table, "a", 7));
  table.beginWriting(7);
  CHECK(!known(table, "a", 7) && !described(table, 7));
  const auto asked = table.sequence();
  table.described(asked, 7, entryOf(7).attr, kLong);
  CHECK(!described(table, 7));
  table.endWriting(7);
  table.described(asked, 7, entryOf(7).attr, kLong);
  CHECK(!described(table, 7));
  table.described(table.sequence(), 7, entryOf(7, 9).attr, kLong);
  CHECK(known(table, "a", 7) && attributesOf(table, 7).st_size == 9);
}

TEST(inodes_follow_changes) {
  InodeTable table(1000);
  table.described(table.sequence(), 1, entryOf(1).attr, kLong);
  table.created(table.sequence(), 1, "a", entryOf(7), 0);
  CHECK(known(table, "a", 7) && !described(table, 1));
  table.found(table.sequence(), 1, "b", entryOf(8));
  table.moved(1, "a", 1, "b", 0);
  CHECK(!known(table, "a", 7) && !described(table, 7) && !described(table, 8));
  table.altered(table.sequence(), 7, entryOf(7, 5).attr, kLong);
  table.count(7);
  CHECK(known(table, "b", 7) && attributesOf(table, 7).st_size == 5);
  table.found(table.sequence(), 1, "c", entryOf(9));
  table.exchanged(1, "b", 1, "c");
  CHECK(!known(table, "b", 9) && !known(table, "c", 7));
  table.found(table.sequence(), 1, "b", entryOf(7));
  table.removed(1, "b");
  CHECK(!known(table, "b", 7) && !described(table, 7));
  // Nobody knows what that name was, so it may have been any of them.
  table.described(table.sequence(), 7, entryOf(7, 5).attr, kLong);
  table.removed(1, "unheard of");
  CHECK(!described(table, 7));
}

TEST(inodes_list_what_is_known_from_the_start) {
  InodeTable table(1000);
  table.listed(table.sequence(), 1, {4, {lineOf("x", 9)}, true, kLong});
  CHECK(listed(table, 0) == "?" && listed(table, 4) == "?");
  table.listed(table.sequence(), 1, {0, {{".", 1, false, {}}, lineOf("b", 2), lineOf("c", 3)}, false, kLong});
  CHECK(listed(table, 0) == ". b c" && listed(table, 0, 2) == ". b" && listed(table, 4) == "c");
  // Where the listing is not known any more, it has to be asked for.
  CHECK(listed(table, 5) == "?" && listed(table, 0, 0).empty());
  table.listed(table.sequence(), 1, {5, {lineOf("e", 5)}, true, kLong});
  CHECK(listed(table, 4) == "c e" && listed(table, 7).empty() && listed(table, 100).empty());
  CHECK(listed(table, 0, 100, true) == ". b+ c+ e+" && table.lookups(5) == 1);
  table.created(table.sequence(), 1, "d", entryOf(4), 6);
  CHECK(listed(table, 4) == "c d e");
  table.removed(1, "c");
  CHECK(listed(table, 0) == ". b d e" && listed(table, 4) == "d e");
  table.moved(1, "b", 1, "z", 4);
  CHECK(listed(table, 0) == ". z d e");
  table.created(table.sequence(), 1, "c", entryOf(30), 5);
  CHECK(listed(table, 0) == ". z c d e");
  // Its attributes are unknown since it was renamed, so an entry cannot be made of it.
  CHECK(listed(table, 0, 100, true) == "?");
  table.created(table.sequence(), 1, "nowhere", entryOf(31), 0);
  CHECK(listed(table, 0) == "?");
}

TEST(inodes_forget_a_listing_that_changed) {
  InodeTable table(1000);
  const ListedPage page{0, {lineOf("a", 2), lineOf("b", 3)}, true, kLong};
  table.listed(table.sequence(), 1, page);
  table.dropEntry(1, "c");
  CHECK(listed(table, 0) == "?" && known(table, "a", 2));
  table.listed(table.sequence(), 1, page);
  table.dropNode(1, false);
  CHECK(listed(table, 0) == "a b");
  table.dropNode(1, true);
  CHECK(listed(table, 0) == "?");
  table.listed(table.sequence(), 1, page);
  // What is in no page any more was removed.
  table.listed(table.sequence(), 1, {0, {lineOf("b", 3)}, true, kLong});
  CHECK(listed(table, 0) == "b" && !known(table, "a", 2));
  table.listed(table.sequence(), 1, {0, {lineOf("d", 9), lineOf("c", 8)}, true, kLong});
  CHECK(listed(table, 0) == "b");
}

TEST(inodes_keep_places_in_large_listings_while_entries_come_and_go) {
  InodeTable table(1000000);
  ListedPage page{0, {}, true, kLong};
  for (uint64_t node = 2; node < 10002; node++) page.entries.push_back(lineOf("f" + std::to_string(node), node));
  table.listed(table.sequence(), 1, page);
  for (uint64_t node = 2; node < 10002; node += 2) table.removed(1, "f" + std::to_string(node));
  for (uint64_t node = 2; node < 10002; node += 4) {
    table.created(table.sequence(), 1, "f" + std::to_string(node), entryOf(node), node + 2);
  }
  uint64_t after = 0, count = 0;
  while (true) {
    std::vector<ListedEntry> lines;
    size_t taken = 0;
    CHECK(table.list(1, after, false, [&](size_t) { return taken++ < 100; }, lines));
    if (lines.empty()) break;
    for (const ListedEntry& line : lines) {
      CHECK(line.cookie > after && line.entry.attr.st_ino + 2 == line.cookie);
      after = line.cookie;
      count += 1;
    }
  }
  CHECK(count == 7500);
}

TEST(inodes_stay_within_their_limit_and_keep_what_is_held) {
  InodeTable table(2000);
  for (uint64_t node = 2; node < 52; node++) {
    table.count(node);
    table.found(table.sequence(), 1, "held" + std::to_string(node), entryOf(node));
  }
  for (uint64_t node = 100; node < 20100; node++) {
    table.found(table.sequence(), node % 10 + 2, "f" + std::to_string(node), entryOf(node));
  }
  CHECK(table.records() < 2200 && table.statistics.evicted > 30000);
  for (uint64_t node = 2; node < 52; node++) CHECK(table.lookups(node) == 1);
  for (uint64_t node = 30000; node < 36000; node++) table.count(node);
  CHECK(table.records() < 6000 + 2200);
  for (uint64_t node = 30000; node < 36000; node++) CHECK(table.forget(node, 1));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(inodes_take_less_than_200_bytes_and_their_name) {
  constexpr uint64_t count = 100000;
  constexpr size_t nameLength = 20;
  const auto before = ::mallinfo2();
  InodeTable table(10 * count);
  for (uint64_t node = 2; node < 2 + count; node += 1000) {
    ListedPage page{0, {}, true, kLong};
    for (uint64_t i = node; i < node + 1000; i++) {
      std::string name = "f" + std::to_string(i);
      name.resize(nameLength, '.');
      page.entries.push_back(lineOf(name, i));
      table.count(i);
    }
    table.listed(table.sequence(), node + 5000000, page);
  }
  const auto after = ::mallinfo2();
  const double each = static_cast<double>(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / count;
  std::printf("  %.0f bytes for an inode with a name of %zu\n", each, nameLength);
  CHECK(each < 200 + nameLength);
}
#endif
