// Everything that parses bytes, behind libFuzzer's entry point. The first byte chooses the parser, the rest is its
// input.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "../core/record.h"
#include "../core/request_queue.h"
#include "../core/utf8.h"
#include "../transport/decode.h"
#include "../transport/mount_table.h"

using namespace fuse_native;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<double> wordsOf(const std::string& bytes) {
  std::vector<double> words(bytes.size() / sizeof(double));
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), words.size() * sizeof(double));
  return words;
}

void extents(const std::string& bytes) {
  const std::vector<double> words = wordsOf(bytes);
  std::vector<Extent> list;
  if (!decodeExtents(words.data(), words.size(), list)) return;
  require(list.size() * 2 == words.size());
  ExtentMap map;
  for (const Extent& extent : list) map.add(extent.start, extent.end);
  uint64_t last = 0;
  for (const Extent& range : map.all()) {
    require(range.start < range.end && (last == 0 || range.start > last));
    require(map.covers(range.start, range.end));
    last = range.end;
  }
  for (const Extent& extent : list) map.remove(extent.start, extent.end);
  require(map.empty());
}

void structures(const std::string& bytes) {
  const std::vector<double> words = wordsOf(bytes);
  Fields entry(words.data(), words.size());
  decodeEntry(entry);
  entry.integer();
  decodeOpen(entry);
  Fields stat(words.data(), words.size());
  decodeStatFs(stat);
}

// Whatever a page says, what is repeated of it is in order and is not more.
void listing(const std::vector<DirectoryEntry>& list) {
  InodeTable table(1000);
  ListedPage page{0, {}, true, 10};
  for (const DirectoryEntry& e : list) {
    const InodeEntry entry{e.entry.ino, e.entry.generation, e.entry.attr, e.entry.attr_timeout, e.entry.entry_timeout};
    page.entries.push_back({e.name, e.offset, e.entry.ino != 0, entry});
  }
  for (int i = 0; i < 2; i++) {
    table.listed(table.sequence(), 1, page);
    page.entries.resize(page.entries.size() / 2);
  }
  std::vector<ListedEntry> lines;
  table.list(1, 0, false, [](size_t) { return true; }, lines);
  uint64_t last = 0;
  require(lines.size() <= list.size());
  for (const ListedEntry& line : lines) {
    require(line.cookie > last);
    last = line.cookie;
  }
}

void directory(const std::string& bytes) {
  const std::vector<double> words = wordsOf(bytes);
  Fields fields(words.data(), words.size());
  std::vector<DirectoryEntry> list;
  const bool usable = decodeDirectory(fields, 1000, list);
  require(list.size() <= words.size() + 1);
  if (usable) listing(list);
}

void notifications(const std::string& bytes) {
  const std::vector<double> words = wordsOf(bytes);
  Fields fields(words.data(), words.size());
  std::deque<Notification> list;
  decodeNotifications(fields, 1000, list);
}

void mounts(const std::string& bytes) {
  std::istringstream lines(bytes);
  findMount(lines, "/mnt/a b");
  const std::string path = absolutePath("/" + bytes);
  require(path[0] == '/' && absolutePath(path) == path);
}

// What is packed into a record comes out of it again.
void records(const std::string& bytes) {
  Record record(Op::SetXattr);
  record.integer(bytes.size()).text(bytes).absent().number(0.5);
  std::vector<uint64_t> out(record.words());
  record.copyTo(out.data());
  require(out[0] >> 32 == out.size());
  std::vector<double> words(out.size() - 1);
  std::memcpy(words.data(), &out[1], words.size() * sizeof(double));
  Fields fields(words.data(), words.size());
  require(fields.integer() == bytes.size() && fields.text() == bytes);
  require(std::isnan(fields.number()) && fields.number() == 0.5 && fields.ok());
  fields.number();
  require(!fields.ok());
  isUtf8(bytes);
}

// Each byte pushes a record or takes some; none may overtake an earlier one with one of its keys.
void queue(const std::string& bytes) {
  RequestQueue queue(bytes.size() + 1, [] {});
  std::vector<std::pair<uint64_t, uint64_t>> waiting;  // number, keys as bits
  uint64_t number = 0;
  for (const char byte : bytes) {
    const auto bits = static_cast<unsigned char>(byte);
    if ((bits & 1) == 0) {
      Record record(Op::Unlink);
      record.integer(++number).in(static_cast<Lane>(1 + (bits >> 1) % 3));
      for (uint64_t key = 0; key < 4; key++) {
        if ((bits >> 4 >> key & 1) != 0) record.after(key);
      }
      waiting.emplace_back(number, bits >> 4);
      queue.push(std::move(record));
      continue;
    }
    uint64_t words[32];
    const size_t used = queue.take(words, 32, 1 + (bits >> 1) % 16);
    for (size_t at = 0; at < used; at += 2) {
      double taken;
      std::memcpy(&taken, &words[at + 1], sizeof taken);
      auto found = waiting.begin();
      while (found != waiting.end() && found->first != static_cast<uint64_t>(taken)) ++found;
      require(found != waiting.end());
      for (auto earlier = waiting.begin(); earlier != found; ++earlier) require((earlier->second & found->second) == 0);
      waiting.erase(found);
    }
  }
  require(queue.depth().all.now == waiting.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr void (*parsers[])(const std::string&) = {extents, structures, directory, notifications,
                                                     mounts,  records,    queue};
  if (size == 0) return 0;
  // A copy of exactly this length, so that reading past it is noticed.
  parsers[data[0] % (sizeof parsers / sizeof parsers[0])](std::string(data + 1, data + size));
  return 0;
}
