// A file body: one backing file, which of its bytes are present (`valid`) and which were changed here (`dirty`), who
// waits for bytes that are not there yet, and whether the backing file is frozen for a snapshot.
//
// The model
// - size is authoritative and the backing file has exactly that size; a byte is readable only when it is in `valid`.
//   No content gets 2^53 bytes or more (EFBIG), whatever the filesystem below can hold.
// - dirty is a subset of valid. Filling never touches valid bytes, so a download can never overwrite a local change.
// - A byte range is requested at most once at a time: `requested` holds what was asked for and neither filled nor
//   failed.
// - The first write to an unmodified content needs permission, unless it was opened as permitted; the content's write
//   queue asks for it.
// - While frozen, the file that was open at that moment is never changed any more: the first change copies it, renames
//   the copy over the path and goes on there.
// - The kernel may read and write the backing file itself (passthrough, content_passthrough.cpp); then its inode stays
//   the content's for as long as that lasts, and a snapshot is a copy made at once.
//
// Locks: `changing_` is held by whoever changes bytes of the file (write, fill, truncate, allocate, freeze) for as long
// as that takes; `marking_` by whoever sets or takes the mark that tells whether the kernel wrote; `state_` guards the
// fields and is never held across I/O. Order: changing_, marking_, state_. Readers take only state_, pick up the file
// and read outside; `writeNow` tries for changing_ and never waits. The content knows waiters by number only; what
// becomes of them is its table's job.
#pragma once

#include <time.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backing_file.h"
#include "extent_map.h"
#include "range_waiters.h"
#include "write_queue.h"

namespace fuse_native {

struct ContentSpec {
  std::string path;
  bool create = false;
  uint64_t size = 0;
  timespec mtime{};
  bool validAll = false;
  std::vector<Extent> valid;
  std::vector<Extent> dirty;
  bool modified = false;
  /// The first write goes ahead without asking: whoever opens it has recorded already that it will be edited.
  bool permitted = false;
  uint64_t generation = 0;
};

struct ContentStatus {
  uint64_t size;
  timespec mtime;
  bool mtimeMoved;
  uint64_t generation;
  bool modified;
  bool complete;
  uint32_t handles;
  size_t waiters;
  bool frozen;
  /// Handles that the kernel serves itself, and those of them that may write.
  uint32_t passing;
  uint32_t outsideWriters;
};

/// What a handle may do to the file. Only ReadWrite ones can be mapped for writing (mmap(2) needs both).
enum class Access { Read, Write, ReadWrite };

/// How a handle is served: through our page cache and requests, by the kernel from the backing file, or by requests
/// without a page cache, because another session's kernel handles read and write the file themselves.
enum class IoMode { Cached, Passthrough, Direct };

/// A handle that is about to be attached.
struct Opening {
  Access access = Access::Read;
  /// Whose kernel it is; null is nobody who could pass through.
  const void* session = nullptr;
  /// Passthrough may begin with this handle.
  bool mayPass = false;
};

struct ContentSnapshot : ContentStatus {
  std::vector<Extent> valid;
  std::vector<Extent> dirty;
};

/// What a read has to do: read `length` bytes of `file` (0 at the end), or wait; then `fetches` is what to ask for.
struct ReadPlan {
  bool present = false;
  std::shared_ptr<BackingFile> file;
  size_t length = 0;
  /// Content::truncations_ at that time.
  uint64_t truncations = 0;
  std::vector<Extent> fetches;
};

class Content {
 public:
  /// Requests are widened to this and clipped to the size, in bytes.
  static constexpr uint64_t kFetchAlignment = 128 * 1024;

  /// 0 or an errno. EIO when the file is shorter than what is said to be valid in it.
  static int open(const ContentSpec& spec, std::shared_ptr<Content>& out);

  // Reads (content_reads.cpp)
  ReadPlan plan(uint64_t offset, size_t length);
  /// As `plan`, but remembers the waiter when bytes are missing.
  ReadPlan park(WaiterId waiter, uint64_t offset, size_t length);
  bool unpark(WaiterId waiter);
  /// Reads a plan's bytes; a file that is shorter than the content's size is EIO, unless the content was truncated.
  ssize_t read(const ReadPlan& plan, void* to, uint64_t offset);
  /// Writes what is missing of [offset, offset+length) and returns the waiters that are satisfied. 0 or an errno.
  int fill(const char* bytes, uint64_t offset, size_t length, std::vector<WaiterId>& released, uint64_t& written);
  std::vector<WaiterId> failRange(uint64_t start, uint64_t end);
  std::vector<WaiterId> takeAllWaiters();

  // Writes (content_writes.cpp)
  /// A change is going to be made or has ended; while one is under way the content cannot become clean.
  void beginChange();
  void endChange();
  /// Whether the first change since the content was clean was permitted; `permit` does.
  bool permitted();
  void permit();
  /// Bytes written or negative errno. Satisfied readers are appended to `released`. Waits for other changes and for the
  /// copy of a frozen file; the caller has seen to the permission.
  ssize_t write(const char* bytes, size_t length, uint64_t offset, std::vector<WaiterId>& released);
  /// As `write` without waiting: -EAGAIN when permission is missing, a frozen file has to be copied, or somebody else
  /// is changing the file.
  ssize_t writeNow(const char* bytes, size_t length, uint64_t offset, std::vector<WaiterId>& released);
  /// Bytes of disk that a write of `length` may need: the copy of a frozen file comes with it.
  uint64_t roomFor(uint64_t length);
  int truncate(uint64_t size, std::vector<WaiterId>& released);
  /// fallocate(2) modes 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE]; EOPNOTSUPP otherwise.
  int allocate(int mode, uint64_t offset, uint64_t length, std::vector<WaiterId>& released);
  int sync();

  // State (content_state.cpp)
  ContentStatus status();
  ContentSnapshot snapshot();
  /// The first missing range at or after `offset`; empty (at the size) when there is none.
  Extent missing(uint64_t offset);
  void setTime(timespec mtime);
  bool markClean(uint64_t generation);
  /// Forgets every range that was not changed here. `fetches` is what those who wait already now miss as well. 0 or an
  /// errno; EBUSY while the kernel serves handles from the file.
  int drop(std::vector<Extent>& fetches);
  /// EBUSY when frozen already. `file` is the one that will not be changed any more.
  int freeze(uint64_t& generation, std::shared_ptr<BackingFile>& file);
  int thaw();
  uint64_t size();
  uint64_t generation();
  bool changedSinceFlush();
  void flushed(uint64_t generation);
  uint32_t handles();
  size_t waiters();

  // Passthrough (content_passthrough.cpp)
  /// Smallest file that is worth it for a reader, in bytes: opening costs 10 us more, reading less per byte.
  static constexpr uint64_t kPassthroughSize = 256 * 1024;
  /// Counts a handle and says how it has to be served. All handles that the kernel has open at a time are served alike.
  IoMode attach(const Opening& opening = {});
  /// Undoes `attach` for a handle that did not come to be or that nobody uses any more. Returns whether the content
  /// changed since the mark was taken last. `abandoned`: somebody may go on writing without us, so the writer stays
  /// counted and the content never becomes clean.
  bool detach(IoMode mode = IoMode::Cached, Access access = Access::Read, bool abandoned = false);
  /// Takes over what the kernel wrote: the generation moves when there is anything. May wait for a write(2) to end.
  void takeMark();
  /// 0 when nobody but us has the backing file open or mapped, EAGAIN when somebody has, another errno when the
  /// filesystem cannot tell.
  int exclusive();
  std::shared_ptr<BackingFile> file();

  /// From here on changes are refused with EBADF; jobs that are still queued end.
  void close();
  bool isClosed();

 private:
  Content(const ContentSpec& spec, std::shared_ptr<BackingFile> file);
  ContentStatus statusLocked() const;
  ReadPlan planLocked(uint64_t offset, size_t length);
  std::vector<Extent> requestLocked(uint64_t start, uint64_t end);
  /// Releases those who waited for [start, end) and have everything now.
  void releaseLocked(uint64_t start, uint64_t end, std::vector<WaiterId>& released);
  void changedLocked();
  /// Requires changing_. Keeps the frozen file as it is; only `kept` up to `end` has to be in the copy.
  int prepareChange(const ExtentMap& kept, uint64_t end, std::shared_ptr<BackingFile>& file);
  int copyOnWrite(const ExtentMap& kept, uint64_t end);
  /// Requires changing_ and a counted change, which it ends.
  ssize_t apply(const BackingFile& file, const char* bytes, size_t length, uint64_t offset,
                std::vector<WaiterId>& released);
  int punch(const BackingFile& file, int mode, uint64_t offset, uint64_t length);
  int dropUnchanged(std::vector<Extent>& fetches);
  int copyForSnapshot(std::shared_ptr<BackingFile>& copy);
  bool mayBeginLocked(const Opening& opening);
  /// Requires marking_.
  bool arm();
  bool takeMarkLocked();
  /// Shows what the kernel wrote so far, without taking the mark. Never waits.
  void look();

  const std::string path_;
  std::mutex changing_;
  std::mutex marking_;
  std::mutex state_;
  std::shared_ptr<BackingFile> file_;
  uint64_t size_;
  /// Counts the beginnings and the ends of truncations: odd while one is under way.
  uint64_t truncations_ = 0;
  timespec mtime_;
  bool mtimeMoved_ = false;
  uint64_t generation_;
  uint64_t flushedGeneration_;
  bool modified_;
  bool permitted_;
  ExtentMap valid_;
  ExtentMap dirty_;
  ExtentMap requested_;
  RangeWaiters waiters_;
  uint32_t handles_ = 0;
  bool frozen_ = false;
  bool copied_ = false;
  bool closed_ = false;
  /// Changes that were begun and not counted in the generation yet.
  uint32_t changes_ = 0;
  uint32_t passing_ = 0;
  const void* passer_ = nullptr;
  uint32_t outsideWriters_ = 0;
  /// A writer that can map the file was there since the first one came, and the mark was taken meanwhile.
  bool mappable_ = false;
  bool unsure_ = false;
  /// The mark is set: the backing file's mtime tells whether the kernel wrote.
  std::atomic<bool> armed_{false};
};

}  // namespace fuse_native
