#include <atomic>
#include <thread>

#include "../core/content_table.h"
#include "../core/quick_xor_hash.h"
#include "../core/statistics.h"
#include "../core/utf8.h"
#include "check.h"

using namespace fuse_native;
using fuse_native_test::TemporaryFile;

TEST(table_serves_many_readers_and_one_filler_at_once) {
  constexpr uint64_t pages = 64, page = 128 * 1024;
  TemporaryFile file;
  std::shared_ptr<ContentTable> table;
  CHECK(ContentTable::create([] {}, table) == 0);
  ContentSpec spec;
  spec.path = file.path();
  spec.size = pages * page;
  CHECK(table->open(7, spec) == 0);
  CHECK(table->open(7, spec) == EEXIST);
  ContentPtr content;
  CHECK(table->find(7, content) == 0);
  std::atomic<uint64_t> answered{0}, wrong{0};
  std::vector<std::thread> readers;
  for (uint64_t reader = 0; reader < 4; reader++) {
    readers.emplace_back([&, reader] {
      for (uint64_t i = 0; i < pages; i++) {
        const uint64_t at = (i * 7 + reader * 13) % pages;
        auto done = [&, at](int error, const char* bytes, size_t n) {
          if (error != 0 || n != 100 || bytes[0] != static_cast<char>(at)) wrong += 1;
          answered += 1;
        };
        table->readOrWait(content, table->nextWaiter(), at * page + 5, 100, 0, done);
      }
    });
  }
  std::atomic<uint64_t> filled{0};
  for (uint64_t i = 0; i < pages; i++) {
    CHECK(table->fill(7, i * page, std::vector<char>(page, static_cast<char>(i)), [&](int error) {
      CHECK(error == 0);
      filled += 1;
    }) == 0);
  }
  for (auto& reader : readers) reader.join();
  while (filled < pages || answered < 4 * pages) std::this_thread::yield();
  CHECK(wrong == 0);
  CHECK(table->waiters() == 0);
  CHECK(content->body->snapshot().complete);
  CHECK(table->dispose(false) == 0);
  CHECK(table->close(7) == ENODEV);
}

TEST(table_ends_waiters_exactly_once) {
  TemporaryFile file;
  std::shared_ptr<ContentTable> table;
  CHECK(ContentTable::create([] {}, table) == 0);
  ContentSpec spec;
  spec.path = file.path();
  spec.size = 1000;
  CHECK(table->open(1, spec) == 0);
  ContentPtr content;
  CHECK(table->find(1, content) == 0);
  int calls = 0, last = 0;
  auto note = [&](int error, const char*, size_t) {
    calls += 1;
    last = error;
  };
  const WaiterId cancelled = table->nextWaiter();
  table->readOrWait(content, cancelled, 0, 10, 0, note);
  CHECK(table->cancel(cancelled));
  CHECK(!table->cancel(cancelled));
  table->readOrWait(content, table->nextWaiter(), 0, 10, 0, note);
  CHECK(table->failRange(1, 0, 1000, EIO) == 0);
  CHECK(calls == 1 && last == EIO);
  table->readOrWait(content, table->nextWaiter(), 0, 10, 0, note);
  CHECK(table->attachSession());
  CHECK(table->dispose(false) == EBUSY);
  table->detachSession();
  CHECK(table->dispose(false) == 0);
  CHECK(calls == 2 && last == ENODEV);
  table->readOrWait(content, table->nextWaiter(), 0, 10, 0, note);
  CHECK(calls == 3 && last == EBADF);
}

TEST(quick_xor_hash_vectors) {
  auto hash = [](const std::string& text, size_t step) {
    QuickXorHash h;
    for (size_t i = 0; i < text.size(); i += step) h.update(text.data() + i, std::min(step, text.size() - i));
    return h.finish();
  };
  std::string ramp(100000, '\0');
  for (size_t i = 0; i < ramp.size(); i++) ramp[i] = static_cast<char>((7 * i + 3) & 255);
  CHECK(hash("", 1) == "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  CHECK(hash("J", 1) == "SgAAAAAAAAAAAAAAAQAAAAAAAAA=");
  CHECK(hash("hello world\n", 5) == "aCgDG9jwBhDc4Q1ybAMZFAAAAAA=");
  for (const size_t step : {1u, 7u, 159u, 160u, 161u, 100000u}) {
    CHECK(hash(ramp.substr(0, 1000), step) == "dgD8j0n8sM0aPE5CUJ8tqmilX/E=");
    CHECK(hash(ramp, step) == "7gi7SoTZMRx5gfdODD0gn/kHw6o=");
  }
  CHECK(hash(std::string(1 << 20, '\0'), 1000) == "AAAAAAAAAAAAAAAAAAAQAAAAAAA=");
}

TEST(histogram_percentiles_are_within_a_sixteenth) {
  LatencyHistogram histogram;
  CHECK(histogram.percentile(0.5) == 0);
  for (int i = 0; i < 99; i++) histogram.record(1000);
  histogram.record(1000000);
  CHECK(histogram.largest() == 1000000 && histogram.count() == 100);
  for (const uint64_t ns : {1ull, 7ull, 8ull, 15ull, 16ull, 17ull, 1000ull, 123456789ull, 4398046511103ull}) {
    LatencyHistogram one;
    one.record(ns);
    // Nothing above it: the middle of its bucket, or itself when that is less.
    CHECK(one.percentile(0.5) <= ns && ns - one.percentile(0.5) <= ns / 16);
    one.record(ns * 2);
    const uint64_t middle = one.percentile(0.5);
    CHECK(middle <= ns + ns / 16 && middle + ns / 16 >= ns);
  }
  CHECK(histogram.percentile(0.5) >= 938 && histogram.percentile(0.5) <= 1062);
  CHECK(histogram.percentile(0.99) == histogram.percentile(0.5));
  CHECK(histogram.percentile(0.999) >= 937500);
  LatencyHistogram endless;
  endless.record(~uint64_t{0});
  CHECK(endless.count() == 1 && endless.percentile(1) > 0);
}

TEST(utf8_accepts_rfc_3629_only) {
  for (const char* good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(isUtf8(good));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    CHECK(!isUtf8(bad));
  }
}
