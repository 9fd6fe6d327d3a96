#include "inode_records.h"

#include <algorithm>
#include <limits>

namespace fuse_native {

namespace {

constexpr int64_t kBillion = 1000000000;
constexpr uint64_t kLargest32 = std::numeric_limits<uint32_t>::max();
/// Seconds of which the nanoseconds fit into 63 bits.
constexpr int64_t kLatest = 9000000000;

bool fits(const timespec& time) { return time.tv_sec > -kLatest && time.tv_sec < kLatest; }
int64_t nanoseconds(const timespec& time) { return time.tv_sec * kBillion + time.tv_nsec; }

timespec timeOf(int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kBillion;
  if (nanoseconds % kBillion < 0) seconds -= 1;
  return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds - seconds * kBillion)};
}

}  // namespace

bool NodeRecord::put(const struct stat& attr) {
  const auto blockSize = static_cast<uint64_t>(attr.st_blksize);
  const auto blockCount = static_cast<uint64_t>(attr.st_blocks);
  const bool power = blockSize > 0 && (blockSize & (blockSize - 1)) == 0;
  if (!power || blockCount > kLargest32 || attr.st_nlink > kLargest32 || attr.st_rdev != 0 || attr.st_mode > 0xffff ||
      !fits(attr.st_atim) || !fits(attr.st_mtim) || !fits(attr.st_ctim)) {
    return false;
  }
  ino = attr.st_ino;
  size = static_cast<uint64_t>(attr.st_size);
  blocks = static_cast<uint32_t>(blockCount);
  atime = nanoseconds(attr.st_atim);
  mtime = nanoseconds(attr.st_mtim);
  ctime = nanoseconds(attr.st_ctim);
  mode = static_cast<uint16_t>(attr.st_mode);
  nlink = static_cast<uint32_t>(attr.st_nlink);
  uid = attr.st_uid;
  gid = attr.st_gid;
  blockBits = static_cast<uint8_t>(__builtin_ctzll(blockSize));
  return true;
}

struct stat NodeRecord::attributes() const {
  struct stat attr {};
  attr.st_ino = ino;
  attr.st_size = static_cast<off_t>(size);
  attr.st_blocks = blocks;
  attr.st_atim = timeOf(atime);
  attr.st_mtim = timeOf(mtime);
  attr.st_ctim = timeOf(ctime);
  attr.st_mode = mode;
  attr.st_nlink = nlink;
  attr.st_uid = uid;
  attr.st_gid = gid;
  attr.st_blksize = blksize_t{1} << blockBits;
  return attr;
}

size_t Listing::after(uint64_t cookie) const {
  const auto first = std::upper_bound(slots.begin(), slots.end(), cookie,
                                      [](uint64_t sought, const NameRecord* slot) { return sought < slot->cookie; });
  return static_cast<size_t>(first - slots.begin());
}

void Listing::place(NameRecord* record) {
  const size_t at = after(record->cookie);
  if (at > 0 && slots[at - 1]->cookie == record->cookie) {
    NameRecord*& slot = slots[at - 1];
    if (slot != record && slot->dead) {
      NameRecord::remove(slot);
      dead -= 1;
    }
    slot = record;
    return;
  }
  slots.insert(slots.begin() + static_cast<std::ptrdiff_t>(at), record);
}

bool Listing::bury(NameRecord* record) {
  const size_t at = after(record->cookie);
  if (record->cookie == 0 || at == 0 || slots[at - 1] != record) return false;
  record->dead = true;
  dead += 1;
  if (dead > 32 && dead > slots.size() / 2) compact();
  return true;
}

void Listing::compact() {
  size_t kept = 0;
  for (NameRecord* slot : slots) {
    if (slot->dead) {
      NameRecord::remove(slot);
    } else {
      slots[kept++] = slot;
    }
  }
  slots.resize(kept);
  slots.shrink_to_fit();
  dead = 0;
}

void Listing::clear() {
  if (dead > 0) compact();
  slots.clear();
  slots.shrink_to_fit();
  knownUntil = 0;
  complete = false;
  expiry = 0;
}

}  // namespace fuse_native
