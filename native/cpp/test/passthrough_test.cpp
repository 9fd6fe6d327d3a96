// What a content makes of writes that it does not hear of; the kernel is played by a second descriptor of the file.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "../core/content.h"
#include "check.h"

using namespace fuse_native;
using fuse_native_test::TemporaryFile;

namespace {

constexpr uint64_t kSize = 2 * Content::kPassthroughSize;

std::shared_ptr<Content> whole(const TemporaryFile& file, uint64_t size = kSize) {
  ContentSpec spec;
  spec.path = file.path();
  spec.size = size;
  std::shared_ptr<Content> content;
  CHECK(::truncate(file.path().c_str(), static_cast<off_t>(size)) == 0);
  spec.validAll = true;
  CHECK(Content::open(spec, content) == 0);
  return content;
}

struct Kernel {
  explicit Kernel(const TemporaryFile& file) : fd(::open(file.path().c_str(), O_RDWR | O_CLOEXEC)) { CHECK(fd >= 0); }
  ~Kernel() { close(); }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  void write(const char* bytes, off_t offset) const {
    CHECK(::pwrite(fd, bytes, std::strlen(bytes), offset) == static_cast<ssize_t>(std::strlen(bytes)));
  }
  int fd;
};

const int session = 0;

Opening opening(Access access) { return {access, &session, true}; }

}  // namespace

TEST(passthrough_begins_with_whole_quiet_files_only) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::ReadWrite)) == IoMode::Cached);
  CHECK(content->attach(opening(Access::Read)) == IoMode::Cached);
  content->detach();
  content->detach();
  CHECK(content->attach({Access::Read, &session, false}) == IoMode::Cached);
  content->detach();
  uint64_t generation = 0;
  std::shared_ptr<BackingFile> frozen;
  CHECK(content->freeze(generation, frozen) == 0);
  CHECK(content->attach(opening(Access::Read)) == IoMode::Cached);
  content->detach();
  content->thaw();
  CHECK(content->attach(opening(Access::Read)) == IoMode::Passthrough);
  CHECK(content->attach(opening(Access::ReadWrite)) == IoMode::Passthrough);
  const int other = 0;
  CHECK(content->attach({Access::Read, &other, true}) == IoMode::Direct);
  TemporaryFile small;
  auto little = whole(small, 100);
  CHECK(little->attach(opening(Access::Read)) == IoMode::Cached);
  little->detach();
  CHECK(little->attach(opening(Access::Write)) == IoMode::Passthrough);
}

TEST(passthrough_counts_a_generation_for_writes_and_none_without) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Write)) == IoMode::Passthrough);
  CHECK(!content->changedSinceFlush());
  Kernel kernel(file);
  for (int i = 1; i <= 100; i++) {
    kernel.write("x", static_cast<off_t>(i));
    CHECK(content->changedSinceFlush());
    CHECK(content->generation() == static_cast<uint64_t>(i));
    content->flushed(content->generation());
    CHECK(!content->changedSinceFlush());
  }
  CHECK(!content->markClean(100));
  CHECK(!content->detach(IoMode::Passthrough, Access::Write, false));
  CHECK(content->generation() == 100);
  CHECK(content->markClean(100));
  CHECK(!content->snapshot().modified);
}

TEST(passthrough_shows_size_and_time_before_anybody_flushes) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Write)) == IoMode::Passthrough);
  CHECK(!content->snapshot().mtimeMoved);
  Kernel kernel(file);
  kernel.write("end", static_cast<off_t>(kSize));
  CHECK(content->size() == kSize + 3);
  const ContentSnapshot shown = content->snapshot();
  CHECK(shown.mtimeMoved && shown.mtime.tv_sec > 1'000'000'000);
  CHECK(shown.complete && shown.generation == 0);
  content->setTime({1'500'000'000, 7});
  CHECK(content->snapshot().mtime.tv_sec == 1'500'000'000);
  CHECK(content->detach(IoMode::Passthrough, Access::Write, false) == false);
  CHECK(content->snapshot().mtime.tv_nsec == 7);
  CHECK(content->generation() == 1);
  struct stat st {};
  CHECK(::stat(file.path().c_str(), &st) == 0);
  CHECK(st.st_mtim.tv_sec == 1'500'000'000);
}

TEST(passthrough_freezes_a_copy) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Read)) == IoMode::Passthrough);
  uint64_t generation = 7;
  std::shared_ptr<BackingFile> frozen;
  CHECK(content->freeze(generation, frozen) == 0);
  CHECK(generation == 0);
  CHECK(content->attach(opening(Access::Write)) == IoMode::Passthrough);
  Kernel kernel(file);
  kernel.write("new", 0);
  char bytes[3] = {'?', '?', '?'};
  CHECK(frozen->read(bytes, 3, 0) == 3);
  CHECK(bytes[0] == 0 && bytes[2] == 0);
  CHECK(frozen->size() == static_cast<int64_t>(kSize));
  std::vector<WaiterId> released;
  CHECK(content->truncate(10, released) == 0);
  struct stat st {};
  CHECK(::fstat(kernel.fd, &st) == 0);
  CHECK(st.st_size == 10);
  content->thaw();
  CHECK(content->detach(IoMode::Passthrough, Access::Write, false));
}

TEST(passthrough_counts_once_more_after_a_mapping) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Read)) == IoMode::Passthrough);
  CHECK(content->attach(opening(Access::ReadWrite)) == IoMode::Passthrough);
  CHECK(content->exclusive() == 0);
  Kernel kernel(file);
  auto* bytes = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, kernel.fd, 0));
  CHECK(bytes != MAP_FAILED);
  bytes[0] = 'a';
  CHECK(content->generation() == 1);
  // The page is writable already: this one leaves no trace.
  bytes[0] = 'b';
  kernel.close();
  CHECK(content->exclusive() == EAGAIN);
  CHECK(::munmap(bytes, 4096) == 0);
  CHECK(content->exclusive() == 0);
  CHECK(content->detach(IoMode::Passthrough, Access::ReadWrite, false));
  CHECK(content->generation() == 2);
}

TEST(passthrough_counts_nothing_for_a_mapping_that_was_not_stored_to) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Read)) == IoMode::Passthrough);
  CHECK(content->attach(opening(Access::ReadWrite)) == IoMode::Passthrough);
  CHECK(!content->detach(IoMode::Passthrough, Access::ReadWrite, false));
  CHECK(content->generation() == 0);
}

TEST(passthrough_never_forgets_an_abandoned_writer) {
  TemporaryFile file;
  auto content = whole(file);
  CHECK(content->attach(opening(Access::Write)) == IoMode::Passthrough);
  Kernel kernel(file);
  kernel.write("late", 0);
  CHECK(content->detach(IoMode::Passthrough, Access::Write, true));
  CHECK(content->handles() == 0);
  CHECK(!content->markClean(content->generation()));
  CHECK(content->snapshot().outsideWriters == 1);
}

TEST(own_file_copies_what_others_have_open) {
  TemporaryFile file;
  bool copied = true;
  CHECK(ownFile(file.path() + "-missing", copied) == 0 && !copied);
  CHECK(ownFile(file.path(), copied) == 0 && !copied);
  Kernel kernel(file);
  kernel.write("before", 0);
  CHECK(ownFile(file.path(), copied) == 0 && copied);
  kernel.write("zombie", 0);
  std::shared_ptr<BackingFile> own;
  CHECK(BackingFile::open(file.path(), O_RDONLY, own) == 0);
  char bytes[6] = {};
  CHECK(own->read(bytes, 6, 0) == 6);
  CHECK(std::memcmp(bytes, "before", 6) == 0);
}
