// What the inode table and the shared opens let a loop thread answer by itself, and the kernel's forgets.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>

#include "upcall.h"

namespace fuse_native {

namespace {

// linux/fuse.h: FUSE_NAME_OFFSET and FUSE_NAME_OFFSET_DIRENTPLUS.
constexpr size_t kLine = 24;
constexpr size_t kLinePlus = 152;
constexpr size_t kForgetsPerRecord = 1024;
/// Ids of handles that JavaScript did not give: it counts from below.
constexpr uint64_t kFirstNativeHandle = uint64_t{1} << 52;

thread_local unsigned loopSlot = 0;

bool readsOnly(int flags) { return (flags & O_ACCMODE) == O_RDONLY && (flags & O_TRUNC) == 0; }

}  // namespace

void Session::useSlot(unsigned slot) { loopSlot = slot; }

double Session::told(double timeout) const { return std::min(timeout, options_.kernelTimeouts); }

fuse_entry_param Session::told(const InodeEntry& entry) const {
  fuse_entry_param param{};
  param.ino = entry.node;
  param.generation = entry.generation;
  param.attr = entry.attr;
  param.attr_timeout = told(entry.attrTimeout);
  const bool keeps = entry.node != 0 || features().has(Feature::NegativeEntries);
  param.entry_timeout = keeps ? told(entry.entryTimeout) : 0;
  return param;
}

void Session::forget(const std::vector<std::pair<uint64_t, uint64_t>>& nodes) {
  std::vector<uint64_t> unheld;
  for (const auto& [node, count] : nodes) {
    if (inodes_.forget(node, count)) unheld.push_back(node);
  }
  for (size_t at = 0; at < unheld.size(); at += kForgetsPerRecord) {
    const size_t count = std::min(kForgetsPerRecord, unheld.size() - at);
    Record record(Op::Forget);
    record.integer(count);
    for (size_t i = at; i < at + count; i++) record.integer(unheld[i]).after(unheld[i]);
    queue_.push(std::move(record));
  }
}

bool Session::answerLookup(fuse_req_t request, uint64_t parent, const char* name) {
  const GracePeriod::Answering answering(grace_, loopSlot);
  const uint64_t startNs = monotonicNs();
  InodeEntry entry;
  if (!inodes_.lookup(parent, name, entry)) return false;
  const fuse_entry_param param = told(entry);
  // ENOENT: the caller is gone and the kernel has not taken the lookup that was counted for it.
  if (fuse_reply_entry(request, &param) == -ENOENT && entry.node != 0) forget({{entry.node, 1}});
  statistics_.completed(Op::Lookup, startNs, false);
  return true;
}

bool Session::answerAttributes(fuse_req_t request, uint64_t node) {
  const GracePeriod::Answering answering(grace_, loopSlot);
  const uint64_t startNs = monotonicNs();
  struct stat attr;
  double timeout;
  if (!inodes_.attributes(node, attr, timeout)) return false;
  fuse_reply_attr(request, &attr, told(timeout));
  statistics_.completed(Op::GetAttr, startNs, false);
  return true;
}

bool Session::answerDirectory(fuse_req_t request, uint64_t node, size_t size, uint64_t offset, bool plus) {
  const GracePeriod::Answering answering(grace_, loopSlot);
  const uint64_t startNs = monotonicNs();
  std::vector<ListedEntry> lines;
  size_t used = 0;
  const auto room = [&](size_t length) {
    const size_t needed = ((plus ? kLinePlus : kLine) + length + 7) / 8 * 8;
    if (needed > size - used) return false;
    used += needed;
    return true;
  };
  if (!inodes_.list(node, offset, plus, room, lines)) return false;
  thread_local std::vector<char> page;
  page.resize(size);
  size_t filled = 0;
  std::vector<std::pair<uint64_t, uint64_t>> counted;
  for (const ListedEntry& line : lines) {
    fuse_entry_param param = told(line.entry);
    if (!line.known) param.ino = 0;
    const auto cookie = static_cast<off_t>(line.cookie);
    char* to = page.data() + filled;
    filled += plus ? fuse_add_direntry_plus(request, to, size - filled, line.name.c_str(), &param, cookie)
                   : fuse_add_direntry(request, to, size - filled, line.name.c_str(), &param.attr, cookie);
    if (line.known) counted.emplace_back(line.entry.node, 1);
  }
  if (fuse_reply_buf(request, page.data(), filled) == -ENOENT) forget(counted);
  statistics_.completed(Op::ReadDir, startNs, false);
  return true;
}

bool Session::answerOpen(fuse_req_t request, uint64_t node, int flags) {
  if (!readsOnly(flags)) return false;
  const uint64_t startNs = monotonicNs();
  auto share = shares_.enter(node);
  if (share == nullptr) return false;
  auto handle = std::make_shared<Handle>(kFirstNativeHandle + lastNativeHandle_.fetch_add(1), node, share->content);
  handle->share = share;
  OpenedFile file;
  passthrough_.attach(*handle, share->mayPass, file);
  file.number = handles_.add(handle);
  fuse_file_info info{};
  info.fh = file.number;
  info.keep_cache = share->keepCache && handle->mode == IoMode::Cached ? 1 : 0;
  info.direct_io = handle->mode == IoMode::Direct ? 1 : 0;
  const bool passing = handle->mode == IoMode::Passthrough;
  const int error = passing ? Passthrough::replyOpen(request, file) : fuse_reply_open(request, &info);
  // No release comes for an open that the caller did not wait for.
  if (error == -ENOENT && handles_.remove(file.number) != nullptr) detachHandle(handle);
  statistics_.nativeOpens.fetch_add(1, std::memory_order_relaxed);
  statistics_.completed(Op::Open, startNs, false);
  return true;
}

void Session::offer(const Pending& pending, const OpenAnswer& answer, const ContentPtr& content) {
  if (!answer.shareable || content == nullptr || !readsOnly(pending.flags) || answer.directIo) return;
  shares_.offer(std::make_shared<SharedOpen>(pending.node, content, answer.keepCache, answer.mayPass));
}

void Session::leaveShare(const Handle& handle) {
  if (!handle.share->leave()) return;
  Record drained(Op::Drained);
  drained.integer(handle.node).integer(handle.content->id).after(handle.node);
  queue_.push(std::move(drained));
}

}  // namespace fuse_native
