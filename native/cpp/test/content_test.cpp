#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "../core/content.h"
#include "check.h"
#include "content_fixture.h"

using namespace fuse_native;
using namespace fuse_native_test;

TEST(content_asks_once_for_a_missing_range) {
  TemporaryFile file;
  auto content = ghost(file, 10 * kPage);
  auto first = content->park(1, 100, 50);
  CHECK(!first.present);
  CHECK(first.fetches == (std::vector<Extent>{{0, kPage}}));
  CHECK(content->park(2, 0, 1000).fetches.empty());
  CHECK(content->park(3, kPage - 10, 20).fetches == (std::vector<Extent>{{kPage, 2 * kPage}}));
  std::vector<WaiterId> released;
  uint64_t written = 0;
  const std::string bytes(kPage, 'a');
  CHECK(content->fill(bytes.data(), 0, kPage, released, written) == 0);
  CHECK(written == kPage);
  CHECK(released == (std::vector<WaiterId>{1, 2}));
  CHECK(content->failRange(kPage, 2 * kPage) == std::vector<WaiterId>{3});
  CHECK(content->park(4, kPage, 1).fetches.size() == 1);
}

TEST(content_clips_requests_and_reads_to_its_size) {
  TemporaryFile file;
  auto content = ghost(file, kPage + 10);
  CHECK(content->park(1, kPage, 4096).fetches == (std::vector<Extent>{{kPage, kPage + 10}}));
  CHECK(content->plan(kPage + 10, 4096).present);
  CHECK(content->plan(kPage + 10, 4096).length == 0);
}

TEST(content_fill_never_overwrites_a_write) {
  TemporaryFile file;
  auto content = ghost(file, 100);
  std::vector<WaiterId> released;
  uint64_t written = 0;
  CHECK(content->write("XXXX", 4, 10, released) == 4);
  const std::string bytes(100, 'a');
  CHECK(content->fill(bytes.data(), 0, bytes.size(), released, written) == 0);
  CHECK(written == 96);
  CHECK(text(*content, 8, 8) == "aaXXXXaa");
  CHECK(content->snapshot().complete);
  CHECK(content->snapshot().dirty == (std::vector<Extent>{{10, 14}}));
}

TEST(content_late_fill_does_not_grow_a_truncated_file) {
  TemporaryFile file;
  auto content = ghost(file, 2 * kPage);
  std::vector<WaiterId> released;
  uint64_t written = 0;
  CHECK(content->park(1, 0, 10).fetches.size() == 1);
  CHECK(content->truncate(5, released) == 0);
  const std::string bytes(kPage, 'a');
  CHECK(content->fill(bytes.data(), 0, bytes.size(), released, written) == 0);
  CHECK(released == std::vector<WaiterId>{1});
  CHECK(content->size() == 5);
  CHECK(content->truncate(20, released) == 0);
  CHECK(text(*content, 0, 100) == std::string("aaaaa") + std::string(15, '\0'));
}

TEST(content_write_beyond_the_end_makes_a_hole_that_is_present) {
  TemporaryFile file;
  auto content = ghost(file, 0);
  std::vector<WaiterId> released;
  CHECK(content->write("end", 3, 5, released) == 3);
  CHECK(text(*content, 0, 100) == std::string(5, '\0') + "end");
  CHECK(content->snapshot().dirty == (std::vector<Extent>{{0, 8}}));
}

TEST(content_gets_no_size_that_a_number_cannot_hold) {
  TemporaryFile file;
  ContentSpec spec;
  spec.path = file.path();
  std::shared_ptr<Content> content;
  CHECK(Content::open(spec, content) == 0);
  std::vector<WaiterId> released;
  constexpr uint64_t limit = uint64_t{1} << 53;
  // Refused before anybody is asked for permission.
  for (const uint64_t offset : {limit - 1, limit, uint64_t{INT64_MAX} - 1}) {
    CHECK(content->writeNow("x", 1, offset, released) == -EFBIG);
    CHECK(content->write("x", 1, offset, released) == -EFBIG);
    CHECK(content->allocate(0, offset, 1, released) == EFBIG);
  }
  CHECK(content->size() == 0 && !content->permitted());
}

TEST(content_writes_at_once_only_what_needs_no_waiting) {
  TemporaryFile file;
  ContentSpec spec;
  spec.path = file.path();
  std::shared_ptr<Content> content;
  CHECK(Content::open(spec, content) == 0);
  std::vector<WaiterId> released;
  CHECK(!content->permitted());
  CHECK(content->writeNow("a", 1, 0, released) == -EAGAIN);
  content->permit();
  CHECK(content->snapshot().modified);
  CHECK(content->writeNow("a", 1, 0, released) == 1);
  uint64_t generation = 0;
  std::shared_ptr<BackingFile> frozen;
  CHECK(content->freeze(generation, frozen) == 0);
  CHECK(content->writeNow("b", 1, 0, released) == -EAGAIN);
  CHECK(content->roomFor(1) == 2);
  CHECK(content->write("b", 1, 0, released) == 1);
  CHECK(content->writeNow("c", 1, 1, released) == 1);
  CHECK(text(*content, 0, 10) == "bc");
  CHECK(!content->markClean(2));
  CHECK(content->markClean(3));
  CHECK(content->writeNow("d", 1, 0, released) == -EAGAIN);
}

TEST(content_opened_as_permitted_asks_after_it_was_clean) {
  TemporaryFile file;
  ContentSpec spec;
  spec.path = file.path();
  spec.permitted = true;
  std::shared_ptr<Content> content;
  CHECK(Content::open(spec, content) == 0);
  CHECK(!content->snapshot().modified);
  std::vector<WaiterId> released;
  CHECK(content->writeNow("a", 1, 0, released) == 1);
  CHECK(content->snapshot().modified);
  CHECK(content->markClean(1));
  CHECK(content->writeNow("b", 1, 1, released) == -EAGAIN);
}

TEST(content_freeze_keeps_the_old_file) {
  TemporaryFile file;
  auto content = ghost(file, 100);
  std::vector<WaiterId> released;
  uint64_t written = 0;
  CHECK(content->fill("0123456789", 0, 10, released, written) == 0);
  uint64_t generation = 0;
  std::shared_ptr<BackingFile> frozen;
  CHECK(content->freeze(generation, frozen) == 0);
  CHECK(content->freeze(generation, frozen) == EBUSY);
  int error = 0;
  const int snapshot = frozen->openAgain(error);
  CHECK(snapshot >= 0 && error == 0);
  CHECK(content->write("XX", 2, 4, released) == 2);
  char old[10];
  CHECK(::pread(snapshot, old, 10, 0) == 10);
  CHECK(std::memcmp(old, "0123456789", 10) == 0);
  CHECK(text(*content, 0, 10) == "0123XX6789");
  CHECK(!content->plan(0, 20).present);
  CHECK(content->thaw() == 0);
  CHECK(content->write("YY", 2, 0, released) == 2);
  CHECK(::pread(snapshot, old, 10, 0) == 10);
  CHECK(std::memcmp(old, "0123456789", 10) == 0);
  ::close(snapshot);
  CHECK(content->snapshot().generation == generation + 2);
}

TEST(content_drop_keeps_what_was_written_and_asks_for_the_rest) {
  TemporaryFile file;
  auto content = ghost(file, 3 * kPage);
  std::vector<WaiterId> released;
  uint64_t written = 0, generation = 0;
  const std::string wrong(3 * kPage, 'w'), right(3 * kPage, 'r');
  CHECK(content->fill(wrong.data(), 0, wrong.size(), released, written) == 0);
  CHECK(content->write("LOCAL", 5, 10, released) == 5);
  content->attach();
  std::shared_ptr<BackingFile> frozen;
  CHECK(content->freeze(generation, frozen) == 0);
  std::vector<Extent> fetches;
  CHECK(content->drop(fetches) == 0);
  CHECK(fetches.empty());
  CHECK(content->snapshot().valid == (std::vector<Extent>{{10, 15}}));
  CHECK(content->snapshot().generation == generation);
  CHECK(content->handles() == 1);
  CHECK(content->park(1, 0, 20).fetches.size() == 2);
  CHECK(content->fill(right.data(), 0, right.size(), released, written) == 0);
  CHECK(released == std::vector<WaiterId>{1});
  CHECK(text(*content, 8, 9) == "rrLOCALrr");
  char old[4];
  CHECK(frozen->read(old, 4, kPage) == 4 && std::memcmp(old, "wwww", 4) == 0);
  CHECK(content->thaw() == 0);
}

TEST(content_drop_asks_again_for_those_who_wait_for_the_rest) {
  TemporaryFile file;
  auto content = ghost(file, 2 * kPage);
  std::vector<WaiterId> released;
  uint64_t written = 0;
  const std::string bytes(kPage, 'a');
  CHECK(content->fill(bytes.data(), 0, kPage, released, written) == 0);
  CHECK(content->park(1, kPage - 10, 20).fetches == (std::vector<Extent>{{kPage, 2 * kPage}}));
  std::vector<Extent> fetches;
  CHECK(content->drop(fetches) == 0);
  CHECK(fetches == (std::vector<Extent>{{0, kPage}}));
  CHECK(content->fill(bytes.data(), kPage, kPage, released, written) == 0);
  CHECK(released.empty());
  CHECK(content->fill(bytes.data(), 0, kPage, released, written) == 0);
  CHECK(released == std::vector<WaiterId>{1});
}

TEST(content_is_not_clean_while_a_change_is_under_way) {
  TemporaryFile file;
  auto content = ghost(file, 10);
  content->beginChange();
  CHECK(!content->markClean(0));
  content->endChange();
  CHECK(content->markClean(0));
}

TEST(content_allocates_and_punches) {
  TemporaryFile file;
  auto content = ghost(file, 100);
  std::vector<WaiterId> released;
  CHECK(content->allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 1000, released) == 0);
  CHECK(text(*content, 10, 1000) == std::string(90, '\0'));
  CHECK(content->size() == 100);
  CHECK(content->allocate(0, 90, 20, released) == 0);
  CHECK(content->size() == 110);
  CHECK(text(*content, 100, 10) == std::string(10, '\0'));
  CHECK(content->allocate(FALLOC_FL_KEEP_SIZE, 0, 1000, released) == 0);
  CHECK(content->size() == 110);
  CHECK(!content->plan(0, 10).present);
  CHECK(content->allocate(FALLOC_FL_COLLAPSE_RANGE, 0, 10, released) == EOPNOTSUPP);
}

TEST(content_refuses_a_file_that_is_too_short) {
  TemporaryFile file;
  ContentSpec spec;
  spec.path = file.path();
  spec.size = 10;
  spec.validAll = true;
  std::shared_ptr<Content> content;
  CHECK(Content::open(spec, content) == EIO);
  spec.path = "/nonexistent/file";
  CHECK(Content::open(spec, content) == ENOENT);
}

TEST(content_truncated_under_a_reader_is_short_and_not_broken) {
  const TemporaryFile file;
  constexpr uint64_t kSize = 100000;
  const auto content = ghost(file, 0);
  std::atomic<bool> over{false};
  std::thread truncating([&] {
    std::vector<WaiterId> released;
    for (int i = 0; i < 5000; i++) CHECK(content->truncate(i % 2 == 0 ? kSize : 0, released) == 0);
    over = true;
  });
  std::vector<char> bytes(kSize);
  while (!over) CHECK(content->read(content->plan(0, kSize), bytes.data(), 0) >= 0);
  truncating.join();
}
