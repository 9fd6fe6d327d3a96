// Changes and invalidations: what the kernel forgets by itself or because it is told to.
#include <mutex>

#include "inode_table.h"

namespace fuse_native {

void InodeTable::created(Sequence asked, uint64_t parent, std::string_view name, const InodeEntry& entry,
                         uint64_t cookie) {
  bool current;
  {
    Shard& shard = shardOf(parent);
    std::unique_lock lock(shard.mutex);
    current = shard.nameFloor <= asked;
    shard.nameFloor = advance();
    const auto listing = shard.listings.find(parent);
    const bool isListed = listing != shard.listings.end();
    const bool placed = isListed && current && cookie != 0;
    if (isListed && !placed) dropListing(shard, parent);
    if (!current || name.size() > UINT16_MAX) {
      if (NameRecord* record = findName(shard, parent, name)) eraseName(shard, record);
    } else {
      NameRecord* record = putName(shard, parent, name, cookie);
      fillName(*record, entry);
      if (placed && listing->second.knows(cookie)) listing->second.place(record);
    }
  }
  changed(parent);
  if (current) fillNode(asked, entry);
  makeRoom();
}

void InodeTable::altered(Sequence asked, uint64_t node, const struct stat& attr, double timeout) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  const bool current = shard.nodeFloor <= asked;
  shard.nodeFloor = advance();
  NodeRecord* record = findNode(shard, node);
  if (record == nullptr) return;
  record->expiry = current && record->writers == 0 && record->put(attr) ? expiryOf(timeout) : 0;
}

InodeTable::Meaning InodeTable::takeName(uint64_t parent, std::string_view name) {
  Meaning was;
  Shard& shard = shardOf(parent);
  std::unique_lock lock(shard.mutex);
  shard.nameFloor = advance();
  NameRecord* record = findName(shard, parent, name);
  if (record == nullptr) {
    // It may be in the listing under another spelling.
    dropListing(shard, parent);
    return was;
  }
  was = {record->node, record->ino, record->expiry, record->type};
  eraseName(shard, record);
  return was;
}

void InodeTable::removed(uint64_t parent, std::string_view name) {
  const Meaning was = takeName(parent, name);
  changed(parent);
  if (was.node != 0) {
    dropNode(was.node, true);
  } else {
    forgetAttributes();
  }
}

void InodeTable::moved(uint64_t parent, std::string_view name, uint64_t newParent, std::string_view newName,
                       uint64_t cookie) {
  const Meaning was = takeName(parent, name);
  uint64_t replaced = 0;
  bool targetKnown = false;
  {
    Shard& shard = shardOf(newParent);
    std::unique_lock lock(shard.mutex);
    shard.nameFloor = advance();
    const bool known = was.node != 0;
    if (NameRecord* record = findName(shard, newParent, newName)) {
      replaced = record->node;
      targetKnown = true;
      eraseName(shard, record);
    }
    const auto listing = shard.listings.find(newParent);
    const bool placed = listing != shard.listings.end() && known && cookie != 0;
    if (!placed) dropListing(shard, newParent);
    if (known) {
      NameRecord* record = putName(shard, newParent, newName, cookie);
      record->node = was.node;
      record->ino = was.ino;
      record->expiry = was.expiry;
      record->type = was.type & 0xf;
      if (placed && listing->second.knows(cookie)) listing->second.place(record);
    }
  }
  changed(parent);
  changed(newParent);
  if (replaced != 0) dropNode(replaced, true);
  if (was.node != 0) dropNode(was.node, true);
  if (was.node == 0 || !targetKnown) forgetAttributes();
}

void InodeTable::exchanged(uint64_t parent, std::string_view name, uint64_t newParent, std::string_view newName) {
  removed(parent, name);
  removed(newParent, newName);
  dropNode(parent, true);
  dropNode(newParent, true);
}

void InodeTable::changed(uint64_t node) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  shard.nodeFloor = advance();
  if (NodeRecord* record = findNode(shard, node)) record->expiry = 0;
}

// A name went of which it is not known what it meant: any node may have lost it.
void InodeTable::forgetAttributes() {
  for (Shard& shard : shards_) {
    std::unique_lock lock(shard.mutex);
    shard.nodeFloor = advance();
    for (size_t bucket = 0; bucket < shard.nodes.buckets(); bucket++) {
      shard.nodes.visitBucket(bucket, [](NodeRecord* record) { record->expiry = 0; });
    }
  }
}

void InodeTable::dropEntry(uint64_t parent, std::string_view name) {
  const Meaning was = takeName(parent, name);
  dropNode(parent, true);
  if (was.node != 0) changed(was.node);
}

void InodeTable::dropNode(uint64_t node, bool listing) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  shard.nodeFloor = advance();
  if (NodeRecord* record = findNode(shard, node)) record->expiry = 0;
  if (!listing) return;
  shard.nameFloor = shard.nodeFloor;
  dropListing(shard, node);
}

}  // namespace fuse_native
