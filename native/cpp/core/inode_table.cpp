#include "inode_table.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

namespace fuse_native {

namespace {

constexpr Tick kLatest = std::numeric_limits<Tick>::max();

double monotonicSeconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void note(std::atomic<uint8_t>& used) {
  if (used.load(std::memory_order_relaxed) == 0) used.store(1, std::memory_order_relaxed);
}

}  // namespace

InodeTable::InodeTable(size_t limit, Clock clock)
    : limit_(limit), clock_(clock != nullptr ? clock : monotonicSeconds), started_(clock_()), threshold_(limit) {}

InodeTable::~InodeTable() {
  for (Shard& shard : shards_) {
    for (auto& [id, listing] : shard.listings) listing.clear();
    for (size_t bucket = 0; bucket < shard.names.buckets(); bucket++) {
      shard.names.visitBucket(bucket, [](NameRecord* record) { NameRecord::remove(record); });
    }
  }
}

Tick InodeTable::now() const {
  return static_cast<Tick>(std::clamp((clock_() - started_) * 10 + 1, 1.0, static_cast<double>(kLatest)));
}

Tick InodeTable::expiryOf(double timeout) const {
  const Tick tick = now();
  if (!(timeout >= 0.2)) return 0;
  // The part of a tick that has passed already is taken off.
  return static_cast<Tick>(std::min(std::floor(timeout * 10) - 1 + tick, static_cast<double>(kLatest)));
}

NodeRecord* InodeTable::findNode(const Shard& shard, uint64_t id) {
  return shard.nodes.find(hashOf(id), [id](const NodeRecord& record) { return record.id == id; });
}

NameRecord* InodeTable::findName(const Shard& shard, uint64_t parent, std::string_view name) {
  return shard.names.find(NameRecord::hashOfName(parent, name), [&](const NameRecord& record) {
    return record.parent == parent && record.name() == name;
  });
}

NodeRecord* InodeTable::nodeFor(Shard& shard, uint64_t id) {
  if (NodeRecord* known = findNode(shard, id)) return known;
  NodeRecord* record = shard.slab.make();
  record->id = id;
  shard.nodes.insert(record);
  records_.fetch_add(1, std::memory_order_relaxed);
  return record;
}

void InodeTable::eraseNode(Shard& shard, NodeRecord* record) {
  shard.nodes.erase(record);
  shard.slab.remove(record);
  records_.fetch_sub(1, std::memory_order_relaxed);
}

void InodeTable::eraseName(Shard& shard, NameRecord* record) {
  shard.names.erase(record);
  records_.fetch_sub(1, std::memory_order_relaxed);
  const auto listing = shard.listings.find(record->parent);
  if (listing == shard.listings.end() || !listing->second.bury(record)) NameRecord::remove(record);
}

void InodeTable::dropListing(Shard& shard, uint64_t directory) {
  const auto found = shard.listings.find(directory);
  if (found == shard.listings.end()) return;
  found->second.clear();
  shard.listings.erase(found);
}

bool InodeTable::lookup(uint64_t parent, std::string_view name, InodeEntry& out) {
  const Tick tick = now();
  bool known = false;
  {
    Shard& shard = shardOf(parent);
    std::shared_lock lock(shard.mutex);
    NameRecord* record = findName(shard, parent, name);
    if (record != nullptr && record->expiry > tick) {
      known = true;
      note(record->used);
      out.node = record->node;
      out.entryTimeout = remaining(record->expiry, tick);
    }
  }
  if (known && out.node != 0) {
    Shard& shard = shardOf(out.node);
    std::shared_lock lock(shard.mutex);
    NodeRecord* record = findNode(shard, out.node);
    known = record != nullptr && record->expiry > tick && record->writers == 0;
    if (known) {
      note(record->used);
      countOne(*record);
      out.generation = record->generation;
      out.attr = record->attributes();
      out.attrTimeout = remaining(record->expiry, tick);
    }
  }
  (known ? statistics.lookupHits : statistics.lookupMisses).fetch_add(1, std::memory_order_relaxed);
  return known;
}

bool InodeTable::attributes(uint64_t node, struct stat& attr, double& timeout) {
  const Tick tick = now();
  Shard& shard = shardOf(node);
  std::shared_lock lock(shard.mutex);
  NodeRecord* record = findNode(shard, node);
  const bool known = record != nullptr && record->expiry > tick && record->writers == 0;
  if (known) {
    note(record->used);
    attr = record->attributes();
    timeout = remaining(record->expiry, tick);
  }
  (known ? statistics.attributeHits : statistics.attributeMisses).fetch_add(1, std::memory_order_relaxed);
  return known;
}

void InodeTable::copyLine(NameRecord& slot, Tick tick, ListedEntry& line) {
  note(slot.used);
  line.name = slot.name();
  line.cookie = slot.cookie;
  line.entry.attr.st_ino = slot.ino;
  line.entry.attr.st_mode = static_cast<mode_t>(slot.type) << 12;
  line.entry.node = slot.node;
  line.entry.entryTimeout = remaining(slot.expiry, tick);
}

bool InodeTable::describable(const ListedEntry& line, Tick tick) {
  if (line.name == "." || line.name == "..") return true;
  if (line.entry.node == 0 || !(line.entry.entryTimeout > 0)) return false;
  Shard& shard = shardOf(line.entry.node);
  std::shared_lock lock(shard.mutex);
  const NodeRecord* record = findNode(shard, line.entry.node);
  return record != nullptr && (record->writers > 0 || record->expiry > tick);
}

// Counts a lookup for every line that becomes an entry: all of them will be in the page. One that was lost since it was
// seen to be describable stays a bare name.
bool InodeTable::describe(std::vector<ListedEntry>& lines) {
  const Tick tick = now();
  for (const ListedEntry& line : lines) {
    if (!describable(line, tick)) return false;
  }
  for (ListedEntry& line : lines) {
    if (line.entry.node == 0) continue;
    Shard& shard = shardOf(line.entry.node);
    std::shared_lock lock(shard.mutex);
    NodeRecord* record = findNode(shard, line.entry.node);
    if (record == nullptr || record->writers > 0 || record->expiry <= tick) continue;
    note(record->used);
    countOne(*record);
    line.entry.generation = record->generation;
    line.entry.attr = record->attributes();
    line.entry.attrTimeout = remaining(record->expiry, tick);
    line.known = true;
  }
  return true;
}

}  // namespace fuse_native
