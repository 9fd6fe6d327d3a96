// What replies say, unless something of it was dropped since they were asked for.
#include <algorithm>
#include <limits>
#include <mutex>

#include "inode_table.h"

namespace fuse_native {

namespace {
constexpr size_t kLongestName = 1024;

bool keepable(std::string_view name) { return name.size() <= kLongestName; }

bool ascends(const ListedPage& page) {
  uint64_t before = page.after;
  for (const ListedEntry& entry : page.entries) {
    if (entry.cookie <= before || !keepable(entry.name)) return false;
    before = entry.cookie;
  }
  return true;
}
}  // namespace

NameRecord* InodeTable::putName(Shard& shard, uint64_t parent, std::string_view name, uint64_t cookie) {
  NameRecord* record = findName(shard, parent, name);
  if (record != nullptr && cookie != 0 && record->cookie != 0 && record->cookie != cookie) {
    eraseName(shard, record);
    record = nullptr;
  }
  if (record == nullptr) {
    record = NameRecord::make(parent, name);
    shard.names.insert(record);
    records_.fetch_add(1, std::memory_order_relaxed);
  }
  if (cookie != 0) record->cookie = cookie;
  return record;
}

void InodeTable::fillName(NameRecord& record, const InodeEntry& entry) {
  record.node = entry.node;
  record.ino = entry.attr.st_ino;
  record.type = entry.attr.st_mode >> 12 & 0xf;
  record.expiry = expiryOf(entry.entryTimeout);
}

void InodeTable::fillNode(Sequence asked, const InodeEntry& entry) {
  Shard& shard = shardOf(entry.node);
  std::unique_lock lock(shard.mutex);
  if (shard.nodeFloor > asked) {
    statistics.refusedFills.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const bool fits = entry.generation <= std::numeric_limits<uint32_t>::max();
  const Tick expiry = fits ? expiryOf(entry.attrTimeout) : 0;
  NodeRecord* record = findNode(shard, entry.node);
  if (record == nullptr && expiry == 0) return;
  record = nodeFor(shard, entry.node);
  record->generation = static_cast<uint32_t>(entry.generation);
  record->expiry = record->writers == 0 && record->put(entry.attr) ? expiry : 0;
}

void InodeTable::found(Sequence asked, uint64_t parent, std::string_view name, const InodeEntry& entry) {
  if (!keepable(name)) return;
  fillNode(asked, entry);
  {
    Shard& shard = shardOf(parent);
    std::unique_lock lock(shard.mutex);
    if (shard.nameFloor > asked) {
      statistics.refusedFills.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    // Also when it may not be answered: a change of the name is one of the node.
    fillName(*putName(shard, parent, name, 0), entry);
  }
  makeRoom();
}

void InodeTable::absent(Sequence asked, uint64_t parent, std::string_view name, double timeout) {
  const Tick expiry = expiryOf(timeout);
  if (expiry == 0 || !keepable(name)) return;
  {
    Shard& shard = shardOf(parent);
    std::unique_lock lock(shard.mutex);
    if (shard.nameFloor > asked) {
      statistics.refusedFills.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    NameRecord* record = findName(shard, parent, name);
    if (record != nullptr && record->cookie != 0) {
      // The listing says otherwise.
      dropListing(shard, parent);
      eraseName(shard, record);
    }
    record = putName(shard, parent, name, 0);
    record->node = 0;
    record->expiry = expiry;
  }
  makeRoom();
}

void InodeTable::described(Sequence asked, uint64_t node, const struct stat& attr, double timeout) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  if (shard.nodeFloor > asked) {
    statistics.refusedFills.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // Only entries know a node's generation, the root's is 0.
  NodeRecord* record = node == kRoot ? nodeFor(shard, node) : findNode(shard, node);
  if (record != nullptr) record->expiry = record->writers == 0 && record->put(attr) ? expiryOf(timeout) : 0;
}

void InodeTable::listed(Sequence asked, uint64_t directory, const ListedPage& page) {
  const Tick expiry = expiryOf(page.timeout);
  if (expiry == 0 || !ascends(page)) return;
  for (const ListedEntry& entry : page.entries) {
    if (entry.known) fillNode(asked, entry.entry);
  }
  {
    Shard& shard = shardOf(directory);
    std::unique_lock lock(shard.mutex);
    if (shard.nameFloor > asked) {
      statistics.refusedFills.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    const auto known = shard.listings.find(directory);
    if (known != shard.listings.end() && known->second.expiry <= now()) dropListing(shard, directory);
    if (page.after > 0 && shard.listings.count(directory) == 0) return;
    Listing& listing = shard.listings[directory];
    if (page.after > listing.knownUntil) return;
    listing.expiry = listing.expiry == 0 ? expiry : std::min(listing.expiry, expiry);
    const uint64_t until = page.entries.empty() ? page.after : page.entries.back().cookie;
    replaceSlots(shard, listing, page, page.last ? std::numeric_limits<uint64_t>::max() : until);
    for (const ListedEntry& entry : page.entries) {
      NameRecord* record = putName(shard, directory, entry.name, entry.cookie);
      if (entry.known) {
        fillName(*record, entry.entry);
      } else {
        const bool same = record->node != 0 && record->ino == entry.entry.attr.st_ino;
        if (!same) record->node = record->expiry = 0;
        record->ino = entry.entry.attr.st_ino;
        record->type = entry.entry.attr.st_mode >> 12 & 0xf;
      }
      listing.place(record);
    }
    listing.knownUntil = std::max(listing.knownUntil, until);
    listing.complete = listing.complete || page.last;
  }
  makeRoom();
}

// What was known of the part that the page is about and is not in it, is not there any more.
void InodeTable::replaceSlots(Shard& shard, Listing& listing, const ListedPage& page, uint64_t until) {
  std::vector<NameRecord*> gone;
  size_t entry = 0;
  for (size_t at = listing.after(page.after); at < listing.slots.size(); at++) {
    NameRecord* slot = listing.slots[at];
    if (slot->cookie > until) break;
    while (entry < page.entries.size() && page.entries[entry].cookie < slot->cookie) entry++;
    const bool listedAgain = entry < page.entries.size() && page.entries[entry].cookie == slot->cookie &&
                             page.entries[entry].name == slot->name();
    if (!slot->dead && !listedAgain) gone.push_back(slot);
  }
  for (NameRecord* record : gone) eraseName(shard, record);
}

}  // namespace fuse_native
