// Random sequences against a naive model: one world with names and versions, requests that saw it some time ago, and a
// kernel that counts. Whatever the table answers has to be what the world is now, since everything that changes the
// world says so; counts have to be exact.
#include <map>
#include <random>
#include <set>

#include "../core/inode_table.h"
#include "check.h"

using namespace fuse_native;

namespace {

constexpr double kLong = 1000;
constexpr uint64_t kDirectories = 3;
constexpr uint64_t kNames = 12;

struct Asked {
  InodeTable::Sequence at;
  std::function<void(InodeTable::Sequence)> reply;
};

class World {
 public:
  World(unsigned seed, size_t limit) : table_(limit), random_(seed) {}

  void step() {
    static constexpr void (World::*steps[])() = {
        &World::askForName, &World::askForName, &World::askForAttributes,   &World::askForListing, &World::answerOne,
        &World::answerOne,  &World::answerOne,  &World::forget,             &World::create,        &World::remove,
        &World::rename,     &World::touch,      &World::changeFromOutside,  &World::write};
    (this->*steps[pick(sizeof steps / sizeof steps[0])])();
    check();
  }

  void end() {
    while (!pending_.empty()) answerOne();
    for (const auto& [node, count] : held_) CHECK(table_.forget(node, count));
    CHECK(table_.statistics.held == 0);
    CHECK(table_.statistics.lookupHits > 0 && table_.statistics.refusedFills > 0);
  }

 private:
  using Place = std::pair<uint64_t, std::string>;

  uint64_t pick(uint64_t below) { return random_() % below; }
  Place place() { return {1 + pick(kDirectories), "n" + std::to_string(pick(kNames))}; }

  InodeEntry entryOf(uint64_t node) {
    InodeEntry entry;
    entry.node = entry.attr.st_ino = node;
    entry.attr.st_mode = S_IFREG | 0644;
    entry.attr.st_nlink = 1;
    entry.attr.st_size = static_cast<off_t>(versions_[node]);
    entry.attr.st_blksize = 4096;
    entry.attrTimeout = pick(8) == 0 ? 0 : kLong;
    entry.entryTimeout = pick(8) == 0 ? 0 : kLong;
    return entry;
  }

  uint64_t nodeAt(const Place& place) {
    const auto found = names_.find(place);
    return found == names_.end() ? 0 : found->second;
  }

  void handOut(uint64_t node) {
    table_.count(node);
    held_[node] += 1;
  }

  void askForName() {
    const Place at = place();
    const uint64_t node = nodeAt(at);
    const InodeEntry entry = node == 0 ? InodeEntry() : entryOf(node);
    pending_.push_back({table_.sequence(), [=](InodeTable::Sequence asked) {
                          if (node == 0) return table_.absent(asked, at.first, at.second, kLong);
                          handOut(node);
                          table_.found(asked, at.first, at.second, entry);
                        }});
  }

  void askForAttributes() {
    if (held_.empty()) return;
    auto it = held_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(pick(held_.size())));
    const uint64_t node = it->first;
    const struct stat attr = entryOf(node).attr;
    pending_.push_back({table_.sequence(), [=](InodeTable::Sequence asked) {
                          table_.described(asked, node, attr, kLong);
                        }});
  }

  std::vector<ListedEntry> listing(uint64_t directory, uint64_t after) {
    std::map<uint64_t, ListedEntry> lines;
    for (const auto& [at, node] : names_) {
      if (at.first == directory && node + 2 > after) lines[node + 2] = {at.second, node + 2, true, entryOf(node)};
    }
    std::vector<ListedEntry> ordered;
    for (const auto& [cookie, line] : lines) ordered.push_back(line);
    return ordered;
  }

  void askForListing() {
    const uint64_t directory = 1 + pick(kDirectories);
    const uint64_t after = pick(3) == 0 ? pick(40) : 0;
    ListedPage page{after, listing(directory, after), true, kLong};
    const size_t most = 1 + pick(6);
    if (page.entries.size() > most) {
      page.entries.resize(most);
      page.last = false;
    }
    pending_.push_back({table_.sequence(), [=](InodeTable::Sequence asked) { table_.listed(asked, directory, page); }});
  }

  void answerOne() {
    if (pending_.empty()) return;
    const size_t chosen = pick(pending_.size());
    const Asked asked = pending_[chosen];
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(chosen));
    asked.reply(asked.at);
  }

  void forget() {
    if (held_.empty()) return;
    auto it = held_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(pick(held_.size())));
    const uint64_t count = 1 + pick(it->second);
    CHECK(table_.forget(it->first, count) == (count == it->second));
    it->second -= count;
    if (it->second > 0) return;
    const uint64_t node = it->first;
    held_.erase(it);
    if (writers_.count(node) == 0 && pick(2) == 0) CHECK(table_.retire(node));
  }

  void create() {
    const Place at = place();
    if (nodeAt(at) != 0) return;
    const auto asked = table_.sequence();
    const uint64_t node = ++lastNode_;
    names_[at] = node;
    versions_[node] = 1;
    handOut(node);
    table_.created(asked, at.first, at.second, entryOf(node), pick(4) == 0 ? 0 : node + 2);
  }

  void remove() {
    const Place at = place();
    const uint64_t node = nodeAt(at);
    if (node == 0) return;
    names_.erase(at);
    versions_[node] += 1;
    table_.removed(at.first, at.second);
  }

  void rename() {
    const Place from = place(), to = place();
    const uint64_t node = nodeAt(from), target = nodeAt(to);
    if (node == 0 || from == to) return;
    versions_[node] += 1;
    if (target != 0) versions_[target] += 1;
    names_[to] = node;
    if (target != 0 && pick(3) == 0) {
      names_[from] = target;
      return table_.exchanged(from.first, from.second, to.first, to.second);
    }
    names_.erase(from);
    table_.moved(from.first, from.second, to.first, to.second, pick(4) == 0 ? 0 : node + 2);
  }

  void touch() {
    const uint64_t node = nodeAt(place());
    if (node == 0 || writers_.count(node) > 0) return;
    const auto asked = table_.sequence();
    versions_[node] += 1;
    table_.altered(asked, node, entryOf(node).attr, kLong);
  }

  /// An open for writing, or the release of one; in between nobody says when the size changes.
  void write() {
    if (!writers_.empty() && pick(2) == 0) {
      const uint64_t node = *writers_.begin();
      writers_.erase(node);
      versions_[node] += 1;
      return table_.endWriting(node);
    }
    const uint64_t node = nodeAt(place());
    if (node == 0 || !writers_.insert(node).second) return;
    table_.beginWriting(node);
    versions_[node] += 1;
  }

  void changeFromOutside() {
    const Place at = place();
    const uint64_t node = nodeAt(at);
    if (node != 0 && pick(2) == 0) {
      versions_[node] += 1;
      return table_.dropNode(node, pick(2) == 0);
    }
    if (node == 0) {
      names_[at] = ++lastNode_;
      versions_[lastNode_] = 1;
    } else {
      names_.erase(at);
      versions_[node] += 1;
    }
    table_.dropEntry(at.first, at.second);
    if (node != 0) table_.changed(node);
  }

  void check() {
    const Place at = place();
    InodeEntry entry;
    if (table_.lookup(at.first, at.second, entry)) {
      const uint64_t node = nodeAt(at);
      CHECK(entry.node == node);
      if (node != 0) {
        CHECK(static_cast<uint64_t>(entry.attr.st_size) == versions_[node]);
        held_[node] += 1;
      }
    }
    checkAttributes();
    checkListing();
    for (const auto& [node, count] : held_) CHECK(table_.lookups(node) == count);
    CHECK(table_.statistics.held == held_.size());
  }

  void checkAttributes() {
    const uint64_t node = 1 + pick(lastNode_ + 1);
    struct stat attr;
    double timeout;
    if (!table_.attributes(node, attr, timeout)) return;
    CHECK(static_cast<uint64_t>(attr.st_size) == versions_[node] && writers_.count(node) == 0);
  }

  void checkListing() {
    const uint64_t directory = 1 + pick(kDirectories);
    const uint64_t after = pick(2) == 0 ? 0 : pick(lastNode_ + 2);
    const bool plus = pick(2) == 0;
    const size_t most = 1 + pick(10);
    size_t taken = 0;
    std::vector<ListedEntry> lines;
    if (!table_.list(directory, after, plus, [&](size_t) { return taken++ < most; }, lines)) return;
    const std::vector<ListedEntry> truth = listing(directory, after);
    CHECK(lines.size() <= truth.size() && (!lines.empty() || truth.empty()));
    for (size_t i = 0; i < lines.size(); i++) {
      CHECK(lines[i].name == truth[i].name && lines[i].cookie == truth[i].cookie);
      CHECK(lines[i].entry.attr.st_ino == truth[i].entry.node);
      if (!lines[i].known) continue;
      CHECK(plus && static_cast<uint64_t>(lines[i].entry.attr.st_size) == versions_[lines[i].entry.node]);
      held_[lines[i].entry.node] += 1;
    }
  }

  InodeTable table_;
  std::mt19937 random_;
  std::map<Place, uint64_t> names_;
  std::map<uint64_t, uint64_t> versions_;
  std::map<uint64_t, uint64_t> held_;
  std::set<uint64_t> writers_;
  std::vector<Asked> pending_;
  uint64_t lastNode_ = kDirectories;
};

void run(unsigned seed, size_t limit) {
  World world(seed, limit);
  for (int i = 0; i < 20000; i++) world.step();
  world.end();
}

}  // namespace

TEST(inodes_agree_with_a_model) {
  for (unsigned seed = 1; seed <= 8; seed++) run(seed, 100000);
}

TEST(inodes_agree_with_a_model_while_records_are_evicted) {
  for (unsigned seed = 11; seed <= 18; seed++) run(seed, 24);
}
