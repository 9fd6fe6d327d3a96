// Lookup counts, writers, and which records go when there are too many.
#include <algorithm>
#include <mutex>

#include "inode_table.h"

namespace fuse_native {

namespace {
/// Buckets that eviction looks at before it lets go of a shard.
constexpr size_t kStride = 256;
}  // namespace

void InodeTable::count(uint64_t node, uint64_t generation) {
  if (node == kRoot) return;
  Shard& shard = shardOf(node);
  {
    std::shared_lock lock(shard.mutex);
    if (NodeRecord* record = findNode(shard, node)) {
      countOne(*record);
      return;
    }
  }
  {
    std::unique_lock lock(shard.mutex);
    NodeRecord* record = nodeFor(shard, node);
    record->generation = static_cast<uint32_t>(generation);
    countOne(*record);
  }
  makeRoom();
}

bool InodeTable::forget(uint64_t node, uint64_t count) {
  Shard& shard = shardOf(node);
  std::shared_lock lock(shard.mutex);
  NodeRecord* record = findNode(shard, node);
  if (record == nullptr) return false;
  uint64_t before = record->lookups.load(std::memory_order_relaxed);
  // More than was handed out would be the kernel's fault and counts as all of them.
  while (!record->lookups.compare_exchange_weak(before, before - std::min(before, count), std::memory_order_relaxed)) {
  }
  const bool last = before > 0 && before <= count;
  if (last) statistics.held.fetch_sub(1, std::memory_order_relaxed);
  return last;
}

uint64_t InodeTable::lookups(uint64_t node) {
  Shard& shard = shardOf(node);
  std::shared_lock lock(shard.mutex);
  const NodeRecord* record = findNode(shard, node);
  return record == nullptr ? 0 : record->lookups.load(std::memory_order_relaxed);
}

bool InodeTable::retire(uint64_t node) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  shard.nodeFloor = advance();
  NodeRecord* record = findNode(shard, node);
  if (record == nullptr) return true;
  if (record->lookups.load(std::memory_order_relaxed) > 0 || record->writers > 0) return false;
  eraseNode(shard, record);
  return true;
}

void InodeTable::beginWriting(uint64_t node) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  NodeRecord* record = nodeFor(shard, node);
  record->writers += 1;
  record->expiry = 0;
  shard.nodeFloor = advance();
}

void InodeTable::endWriting(uint64_t node) {
  Shard& shard = shardOf(node);
  std::unique_lock lock(shard.mutex);
  NodeRecord* record = findNode(shard, node);
  if (record != nullptr && record->writers > 0) record->writers -= 1;
  shard.nodeFloor = advance();
}

void InodeTable::makeRoom() {
  const size_t records = records_.load(std::memory_order_relaxed);
  if (records <= threshold_.load(std::memory_order_relaxed)) return;
  // A little more than needed, so that not every insertion looks for something.
  const size_t wanted = records - std::min(records, limit_) + limit_ / 256;
  size_t freed = 0;
  // Twice around: what was used since the last time gets another chance.
  for (size_t tries = 0; freed < wanted && tries < 2 * kShards; tries++) {
    freed += evictFrom(shards_[hand_.fetch_add(1, std::memory_order_relaxed) % kShards]);
  }
  statistics.evicted.fetch_add(freed, std::memory_order_relaxed);
  const size_t left = records_.load(std::memory_order_relaxed);
  threshold_.store(left > limit_ ? left + limit_ / 16 : limit_, std::memory_order_relaxed);
}

size_t InodeTable::evictFrom(Shard& shard) {
  size_t freed = 0;
  std::unique_lock lock(shard.mutex);
  const size_t buckets = std::max(shard.nodes.buckets(), shard.names.buckets());
  for (size_t step = 0; step < std::min(buckets, kStride); step++) {
    const size_t bucket = shard.hand++ % buckets;
    if (bucket < shard.nodes.buckets()) {
      shard.nodes.visitBucket(bucket, [&](NodeRecord* record) {
        if (record->lookups.load(std::memory_order_relaxed) > 0 || record->writers > 0) return;
        if (record->used.exchange(0, std::memory_order_relaxed) != 0) return;
        eraseNode(shard, record);
        freed += 1;
      });
    }
    if (bucket < shard.names.buckets()) {
      shard.names.visitBucket(bucket, [&](NameRecord* record) {
        if (record->used.exchange(0, std::memory_order_relaxed) != 0) return;
        const uint64_t directory = record->parent;
        // Without one of its lines a listing is none.
        if (record->cookie != 0) dropListing(shard, directory);
        eraseName(shard, record);
        freed += 1;
      });
    }
  }
  return freed;
}

}  // namespace fuse_native
