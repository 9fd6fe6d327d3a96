// What the inode table is made of: small records in intrusive hash tables, about 180 bytes for an inode with one name,
// plus the name.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

namespace fuse_native {

/// Hash table of records that carry their own `next`. Does not own them.
template <typename T>
class ChainedTable {
 public:
  template <typename Matches>
  T* find(size_t hash, Matches matches) const {
    if (buckets_.empty()) return nullptr;
    for (T* record = buckets_[hash % buckets_.size()]; record != nullptr; record = record->next) {
      if (matches(*record)) return record;
    }
    return nullptr;
  }
  void insert(T* record) {
    if (count_ >= buckets_.size()) grow();
    T*& head = buckets_[record->hash() % buckets_.size()];
    record->next = head;
    head = record;
    count_ += 1;
  }
  void erase(T* record) {
    T** link = &buckets_[record->hash() % buckets_.size()];
    while (*link != record) link = &(*link)->next;
    *link = record->next;
    count_ -= 1;
  }
  /// Calls `visit` with each record of one bucket; it may erase the record it is called with.
  template <typename Visit>
  void visitBucket(size_t bucket, Visit visit) {
    for (T* record = buckets_[bucket]; record != nullptr;) {
      T* next = record->next;
      visit(record);
      record = next;
    }
  }
  size_t buckets() const { return buckets_.size(); }
  size_t count() const { return count_; }

 private:
  void grow() {
    std::vector<T*> old(buckets_.empty() ? 16 : buckets_.size() * 2);
    old.swap(buckets_);
    for (T* record : old) {
      while (record != nullptr) {
        T* next = record->next;
        T*& head = buckets_[record->hash() % buckets_.size()];
        record->next = head;
        head = record;
        record = next;
      }
    }
  }

  std::vector<T*> buckets_;
  size_t count_ = 0;
};

inline size_t hashOf(uint64_t number) {
  number ^= number >> 33;
  number *= 0xff51afd7ed558ccdULL;
  return static_cast<size_t>(number ^ (number >> 29));
}

/// Ticks of a tenth of a second since the table was made; 0 is never.
using Tick = uint32_t;

/// An inode as the kernel knows it. `lookups` and `used` change under a shared lock, the rest under an exclusive one.
struct NodeRecord {
  NodeRecord* next = nullptr;
  uint64_t id = 0;
  std::atomic<uint64_t> lookups{0};
  uint64_t ino = 0;
  uint64_t size = 0;
  /// Nanoseconds since the epoch.
  int64_t atime = 0;
  int64_t mtime = 0;
  int64_t ctime = 0;
  uint32_t blocks = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t generation = 0;
  /// The attributes hold until then.
  Tick expiry = 0;
  /// Handles that may write: the attributes are the content's business as long as there is one.
  uint32_t writers = 0;
  uint16_t mode = 0;
  uint8_t blockBits = 0;
  /// Looked at since eviction came by.
  std::atomic<uint8_t> used{1};

  size_t hash() const { return hashOf(id); }
  /// False when the attributes are such that they cannot be kept (special files, times beyond the year 2262).
  bool put(const struct stat& attr);
  struct stat attributes() const;
};

/// Nodes by the dozen; freed ones are used again.
class NodeSlab {
 public:
  NodeRecord* make() {
    if (free_ == nullptr) extend();
    NodeRecord* record = free_;
    free_ = record->next;
    return new (record) NodeRecord();
  }
  void remove(NodeRecord* record) {
    record->next = free_;
    free_ = record;
  }

 private:
  static constexpr size_t kChunk = 64;
  void extend() {
    chunks_.push_back(std::make_unique<NodeRecord[]>(kChunk));
    for (size_t i = 0; i < kChunk; i++) remove(&chunks_.back()[i]);
  }

  std::vector<std::unique_ptr<NodeRecord[]>> chunks_;
  NodeRecord* free_ = nullptr;
};

/// What a name in a directory means. The name follows the record in memory.
struct NameRecord {
  NameRecord* next = nullptr;
  uint64_t parent = 0;
  /// 0 for a name that is absent, or of which only the place in a listing is known.
  uint64_t node = 0;
  uint64_t ino = 0;
  /// Place in the directory's listing, 0 when it is in none.
  uint64_t cookie = 0;
  /// What it means holds until then.
  Tick expiry = 0;
  uint16_t length = 0;
  /// The mode's type bits, moved down.
  uint8_t type : 4;
  /// Removed, and still in its place in the listing.
  bool dead : 1;
  std::atomic<uint8_t> used{1};

  NameRecord() : type(0), dead(false) {}

  static NameRecord* make(uint64_t parent, std::string_view name) {
    void* memory = ::operator new(sizeof(NameRecord) + name.size());
    auto* record = new (memory) NameRecord();
    record->parent = parent;
    record->length = static_cast<uint16_t>(name.size());
    std::memcpy(static_cast<char*>(memory) + sizeof(NameRecord), name.data(), name.size());
    return record;
  }
  static void remove(NameRecord* record) { ::operator delete(record); }
  static size_t hashOfName(uint64_t parent, std::string_view name) {
    return hashOf(parent) ^ std::hash<std::string_view>()(name);
  }
  std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), length}; }
  size_t hash() const { return hashOfName(parent, name()); }
};

/// A directory's entries in the order of their cookies, as far as they are known from the start.
struct Listing {
  std::vector<NameRecord*> slots;
  size_t dead = 0;
  /// Every entry with a cookie up to this one is there.
  uint64_t knownUntil = 0;
  /// There are no others.
  bool complete = false;
  Tick expiry = 0;

  bool knows(uint64_t cookie) const { return complete || cookie <= knownUntil; }
  /// The first slot with a cookie greater than `cookie`.
  size_t after(uint64_t cookie) const;
  void place(NameRecord* record);
  /// Frees the slots' dead records and forgets the others.
  void clear();
  /// Takes a record out of the listing; true when it still lies there, dead, and will be freed with the listing.
  bool bury(NameRecord* record);

 private:
  void compact();
};

}  // namespace fuse_native
