// What the kernel was told about names, attributes and listings, and how often it was given each node: a replica of
// JavaScript's answers that is not dropped when the kernel drops its caches, so that FUSE threads can repeat them.
//
// The model
// - It holds what the kernel was allowed to hold and no longer than that: every value comes from a reply with its
//   timeout, and what makes the kernel forget a value (a change it made itself, a notification) drops it here.
// - Lookup counts are exact and kept here only: a reply that hands out a node counts first, `forget` gives back.
// - A reply may be older than a drop. Drops are numbered; a request remembers the number at which it was sent up
//   (`sequence`), and its reply fills nothing that was dropped since. The numbers are kept per shard, not per record:
//   a reply may be refused because of a neighbour, which costs a request later and nothing else.
// - Names that are not known to mean something or to be absent are not answered, also when their directory's listing is
//   known: how names compare is JavaScript's business.
// - While somebody may write to a file, its size and times are its content's: they are neither kept nor answered.
// - The number of records is bounded. What was not used for a round goes first; a node with lookups keeps its record.
//
// Locks: 64 shards with a shared_mutex each; a node lives in the shard of its id, a name and a listing in that of the
// directory. No function holds two of them, none holds one while it calls out.
#pragma once

#include <array>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "inode_records.h"

namespace fuse_native {

/// A node as `lookup` hands it out; timeouts in seconds.
struct InodeEntry {
  uint64_t node = 0;
  uint64_t generation = 0;
  struct stat attr {};
  double attrTimeout = 0;
  double entryTimeout = 0;
};

/// One line of a listing. Without `known`, only name, ino, type and cookie count.
struct ListedEntry {
  std::string name;
  uint64_t cookie = 0;
  bool known = false;
  InodeEntry entry;
};

/// Part of a listing: entries in the order of their cookies with none left out between them.
struct ListedPage {
  uint64_t after = 0;
  std::vector<ListedEntry> entries;
  /// Nothing comes after them.
  bool last = false;
  /// In seconds.
  double timeout = 0;
};

struct InodeStatistics {
  std::atomic<uint64_t> lookupHits{0};
  std::atomic<uint64_t> lookupMisses{0};
  std::atomic<uint64_t> attributeHits{0};
  std::atomic<uint64_t> attributeMisses{0};
  std::atomic<uint64_t> listingHits{0};
  std::atomic<uint64_t> listingMisses{0};
  std::atomic<uint64_t> refusedFills{0};
  std::atomic<uint64_t> evicted{0};
  /// Nodes with lookups.
  std::atomic<uint64_t> held{0};
};

class InodeTable {
 public:
  static constexpr uint64_t kRoot = 1;
  using Sequence = uint64_t;
  /// In seconds, of any kind; only for tests.
  using Clock = double (*)();

  /// `limit`: most records, nodes and names together.
  explicit InodeTable(size_t limit, Clock clock = nullptr);
  ~InodeTable();

  /// To be remembered when a request is sent up.
  Sequence sequence() const { return sequence_.load(std::memory_order_acquire); }

  // Answers. True when one is known.
  /// Counts a lookup unless the name is absent (`out.node` 0).
  bool lookup(uint64_t parent, std::string_view name, InodeEntry& out);
  bool attributes(uint64_t node, struct stat& attr, double& timeout);
  /// Lines with cookies greater than `after`, as many as `room(name length)` says yes to; none at the end. With
  /// `plus`, false unless what is known of each line is enough for an entry or it is one that is being written.
  template <typename Room>
  bool list(uint64_t directory, uint64_t after, bool plus, Room room, std::vector<ListedEntry>& out) {
    const bool known = gather(directory, after, room, out) && (!plus || describe(out));
    (known ? statistics.listingHits : statistics.listingMisses).fetch_add(1, std::memory_order_relaxed);
    return known;
  }

  // Counts (inode_counts.cpp)
  void count(uint64_t node, uint64_t generation = 0);
  /// True when none are left.
  bool forget(uint64_t node, uint64_t count);
  uint64_t lookups(uint64_t node);
  /// Takes the node away when it has no lookups and no writers; whether it is gone.
  bool retire(uint64_t node);
  void beginWriting(uint64_t node);
  void endWriting(uint64_t node);

  // What replies say (inode_fill.cpp). `asked` is the sequence at which the request was sent up.
  void found(Sequence asked, uint64_t parent, std::string_view name, const InodeEntry& entry);
  void absent(Sequence asked, uint64_t parent, std::string_view name, double timeout);
  void described(Sequence asked, uint64_t node, const struct stat& attr, double timeout);
  void listed(Sequence asked, uint64_t directory, const ListedPage& page);

  // Changes that were answered with success (inode_changes.cpp)
  /// `cookie` is the entry's place in the listing, 0 when it is not given.
  void created(Sequence asked, uint64_t parent, std::string_view name, const InodeEntry& entry, uint64_t cookie);
  /// A node's attributes were changed and are these now.
  void altered(Sequence asked, uint64_t node, const struct stat& attr, double timeout);
  void removed(uint64_t parent, std::string_view name);
  void moved(uint64_t parent, std::string_view name, uint64_t newParent, std::string_view newName, uint64_t cookie);
  void exchanged(uint64_t parent, std::string_view name, uint64_t newParent, std::string_view newName);
  void changed(uint64_t node);

  // Invalidations (inode_changes.cpp)
  void dropEntry(uint64_t parent, std::string_view name);
  /// Attributes and, with `listing`, what is known of the order of a directory's entries.
  void dropNode(uint64_t node, bool listing);

  size_t records() const { return records_.load(std::memory_order_relaxed); }
  InodeStatistics statistics;

 private:
  static constexpr size_t kShards = 64;
  struct alignas(64) Shard {
    std::shared_mutex mutex;
    ChainedTable<NodeRecord> nodes;
    ChainedTable<NameRecord> names;
    std::unordered_map<uint64_t, Listing> listings;
    NodeSlab slab;
    /// Nothing asked before this may fill attributes here.
    Sequence nodeFloor = 0;
    /// The same for names and listings.
    Sequence nameFloor = 0;
    size_t hand = 0;
  };

  Shard& shardOf(uint64_t id) { return shards_[hashOf(id) % kShards]; }
  Tick now() const;
  /// When something that holds for `timeout` seconds ends; 0 when that is too short to be kept.
  Tick expiryOf(double timeout) const;
  static double remaining(Tick expiry, Tick now) { return expiry > now ? (expiry - now) * 0.1 : 0; }
  Sequence advance() { return sequence_.fetch_add(1, std::memory_order_acq_rel) + 1; }

  void countOne(NodeRecord& record) {
    if (record.lookups.fetch_add(1, std::memory_order_relaxed) == 0) {
      statistics.held.fetch_add(1, std::memory_order_relaxed);
    }
  }
  static NodeRecord* findNode(const Shard& shard, uint64_t id);
  static NameRecord* findName(const Shard& shard, uint64_t parent, std::string_view name);
  NodeRecord* nodeFor(Shard& shard, uint64_t id);
  void eraseNode(Shard& shard, NodeRecord* record);
  void eraseName(Shard& shard, NameRecord* record);
  void dropListing(Shard& shard, uint64_t directory);
  /// Requires the shard of the directory, exclusively. The record of the name, new or as it was.
  NameRecord* putName(Shard& shard, uint64_t parent, std::string_view name, uint64_t cookie);
  void fillName(NameRecord& record, const InodeEntry& entry);
  void fillNode(Sequence asked, const InodeEntry& entry);
  /// Takes a name out; what it meant is left in `was`, its node 0 when that is not known.
  struct Meaning {
    uint64_t node = 0;
    uint64_t ino = 0;
    Tick expiry = 0;
    uint8_t type = 0;
  };
  Meaning takeName(uint64_t parent, std::string_view name);
  void replaceSlots(Shard& shard, Listing& listing, const ListedPage& page, uint64_t until);
  void forgetAttributes();

  template <typename Room>
  bool gather(uint64_t directory, uint64_t after, Room room, std::vector<ListedEntry>& out);
  bool describable(const ListedEntry& line, Tick tick);
  bool describe(std::vector<ListedEntry>& lines);
  static void copyLine(NameRecord& slot, Tick now, ListedEntry& line);
  void makeRoom();
  size_t evictFrom(Shard& shard);

  const size_t limit_;
  const Clock clock_;
  const double started_;
  std::array<Shard, kShards> shards_;
  std::atomic<Sequence> sequence_{1};
  std::atomic<size_t> records_{0};
  /// Eviction is tried when there are more records than this: more than the limit while everything is held.
  std::atomic<size_t> threshold_;
  std::atomic<size_t> hand_{0};
};

template <typename Room>
bool InodeTable::gather(uint64_t directory, uint64_t after, Room room, std::vector<ListedEntry>& out) {
  Shard& shard = shardOf(directory);
  const Tick tick = now();
  std::shared_lock lock(shard.mutex);
  const auto found = shard.listings.find(directory);
  if (found == shard.listings.end()) return false;
  const Listing& listing = found->second;
  if (listing.expiry <= tick || !(listing.complete || listing.knownUntil > after)) return false;
  bool full = false;
  for (size_t at = listing.after(after); at < listing.slots.size() && !full; at++) {
    NameRecord& slot = *listing.slots[at];
    if (slot.dead) continue;
    full = !room(slot.length);
    if (!full) copyLine(slot, tick, out.emplace_back());
  }
  // An empty page would say that the directory ends here.
  return full || listing.complete || !out.empty();
}

}  // namespace fuse_native
