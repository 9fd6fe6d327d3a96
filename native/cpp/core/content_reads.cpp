#include <algorithm>
#include <cerrno>

#include "content.h"

namespace fuse_native {

namespace {
// A fill gives writers and freezers a chance after this many bytes.
constexpr size_t kFillStep = 1 << 20;
}  // namespace

ReadPlan Content::planLocked(uint64_t offset, size_t length) {
  ReadPlan plan;
  const uint64_t end = offset >= size_ ? offset : std::min<uint64_t>(size_, offset + length);
  plan.length = static_cast<size_t>(end - offset);
  plan.present = valid_.covers(offset, end);
  if (plan.present) plan.file = file_;
  plan.truncations = truncations_;
  return plan;
}

ReadPlan Content::plan(uint64_t offset, size_t length) {
  look();
  std::lock_guard lock(state_);
  return planLocked(offset, length);
}

ReadPlan Content::park(WaiterId waiter, uint64_t offset, size_t length) {
  std::lock_guard lock(state_);
  ReadPlan plan = planLocked(offset, length);
  if (plan.present) return plan;
  const uint64_t end = offset + plan.length;
  waiters_.add({waiter, offset, end}, valid_.firstGap(offset, end).start);
  plan.fetches = requestLocked(offset, end);
  return plan;
}

std::vector<Extent> Content::requestLocked(uint64_t start, uint64_t end) {
  ExtentMap wanted;
  for (const Extent& missing : valid_.gaps(start, end)) {
    for (const Extent& fresh : requested_.gaps(missing.start, missing.end)) {
      const uint64_t from = fresh.start / kFetchAlignment * kFetchAlignment;
      const uint64_t to = (fresh.end + kFetchAlignment - 1) / kFetchAlignment * kFetchAlignment;
      wanted.add(from, std::min(to, size_));
    }
  }
  for (const Extent& range : valid_.within(start / kFetchAlignment * kFetchAlignment, wanted.end())) {
    wanted.remove(range.start, range.end);
  }
  for (const Extent& range : requested_.within(start / kFetchAlignment * kFetchAlignment, wanted.end())) {
    wanted.remove(range.start, range.end);
  }
  std::vector<Extent> fetches = wanted.all();
  for (const Extent& range : fetches) requested_.add(range.start, range.end);
  return fetches;
}

bool Content::unpark(WaiterId waiter) {
  std::lock_guard lock(state_);
  return waiters_.remove(waiter);
}

ssize_t Content::read(const ReadPlan& plan, void* to, uint64_t offset) {
  if (plan.length == 0) return 0;
  const ssize_t got = plan.file->read(to, plan.length, offset);
  if (got < 0 || static_cast<size_t>(got) == plan.length) return got;
  std::lock_guard lock(state_);
  const uint64_t expected = offset >= size_ ? 0 : std::min<uint64_t>(plan.length, size_ - offset);
  if (static_cast<uint64_t>(got) >= expected) return got;
  // The end was here for a while, if a truncation was under way at any time since the read was planned.
  return plan.truncations % 2 == 1 || plan.truncations != truncations_ ? got : -EIO;
}

int Content::fill(const char* bytes, uint64_t offset, size_t length, std::vector<WaiterId>& released,
                  uint64_t& written) {
  for (size_t done = 0; done < length;) {
    const size_t step = std::min(kFillStep, length - done);
    const uint64_t start = offset + done;
    std::lock_guard changing(changing_);
    std::shared_ptr<BackingFile> file;
    std::vector<Extent> gaps;
    uint64_t end = 0;
    {
      std::lock_guard lock(state_);
      if (closed_) return EBADF;
      file = file_;
      end = std::min<uint64_t>(start + step, std::max(size_, start));
      gaps = valid_.gaps(start, end);
    }
    for (const Extent& gap : gaps) {
      uint64_t at = gap.start;
      while (at < gap.end) {
        const ssize_t n = file->write(bytes + (at - offset), static_cast<size_t>(gap.end - at), at);
        if (n < 0) return static_cast<int>(-n);
        at += static_cast<uint64_t>(n);
        written += static_cast<uint64_t>(n);
      }
    }
    std::lock_guard lock(state_);
    valid_.add(start, end);
    requested_.remove(start, start + step);
    releaseLocked(start, end, released);
    done += step;
  }
  return 0;
}

void Content::releaseLocked(uint64_t start, uint64_t end, std::vector<WaiterId>& released) {
  const auto firstGap = [&](uint64_t from, uint64_t to) { return valid_.firstGap(from, std::min(to, size_)); };
  waiters_.arrived(start, end, firstGap, released);
}

std::vector<WaiterId> Content::failRange(uint64_t start, uint64_t end) {
  std::lock_guard lock(state_);
  requested_.remove(start, end);
  return waiters_.take(end, [&](const RangeWaiters::Waiter& w) {
    return !valid_.covers(std::max(w.start, start), std::min(w.end, end));
  });
}

std::vector<WaiterId> Content::takeAllWaiters() {
  std::lock_guard lock(state_);
  std::vector<WaiterId> all;
  for (const auto& waiter : waiters_.all()) all.push_back(waiter.id);
  waiters_.clear();
  requested_.clear();
  return all;
}

}  // namespace fuse_native
