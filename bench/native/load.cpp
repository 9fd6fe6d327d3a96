// The load of bench/native.ts as plain system calls, so that the same few instructions are timed on every filesystem
// and Node's own cost is in none of them. Prints one line: `operations seconds p50 p99`, latencies in microseconds and
// only for one thread. With `server`, the number of a process, the seconds are processor time of it and of the load.
// Usage: load WORKLOAD DIRECTORY [key=value]...
//
//   prepare    makes `files` files of 4 KiB in `directories` directories and big.bin of `mib` MiB (not timed)
//   stat, lookup, openread   by path, over `files` files, for `ms` milliseconds on each of `threads` threads
//   absent     access(2) of `files` names of one directory that do not exist
//   fstat      of one open file a thread (one GETATTR when nothing is cached)
//   reread     128 KiB at a time over big.bin, again and again, after an untimed pass
//   randread   4 KiB at random places of big.bin
//   walk       readdir and fstatat of the whole tree, once
//   seqread    big.bin once in `block` bytes, after the kernel was told to forget its pages unless `forget=0`
//              (operations are MiB)
//   seqwrite   a new file of `mib` MiB in `block` bytes, and its close (operations are MiB)
//   create     `files` new files: create, write 4 KiB, close
//   remove     what `seqwrite` or `create` with the same `tag` and `files` made (not timed)
//
// `cpu` pins all threads to one processor, `warm=1` runs over all files once before, `tag` is part of new names.
#include "load.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

/// What one thread does again and again; `i` counts its calls.
using Step = std::function<void(long i)>;

void statStep(long i) {
  struct stat st {};
  const Path path("f", i % options.files);
  if (::stat(path.text, &st) != 0) fail(path.text);
}

void lookupStep(long i) {
  const Path path("f", i % options.files);
  if (::access(path.text, F_OK) != 0) fail(path.text);
}

void absentStep(long i) {
  const Path path("absent", i % options.files * options.directories);
  if (::access(path.text, F_OK) == 0 || errno != ENOENT) fail(path.text);
}

void openReadStep(long i) {
  static thread_local char buffer[kPage];
  const Path path("f", i % options.files);
  const int fd = opened(path.text, O_RDONLY);
  if (::read(fd, buffer, sizeof buffer) != kPage) fail(path.text);
  ::close(fd);
}

Step fstatStep() {
  const int fd = opened(Path("f", 0).text, O_RDONLY);
  return [fd](long) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) fail("fstat");
  };
}

Step readStep(long block, bool random) {
  const int fd = opened("big.bin", O_RDONLY);
  struct stat st {};
  if (::fstat(fd, &st) != 0) fail("big.bin");
  const long blocks = st.st_size / block;
  auto buffer = std::make_shared<std::vector<char>>(static_cast<size_t>(block));
  auto engine = std::make_shared<std::minstd_rand>(12345);
  Step step = [=](long i) {
    const long at = random ? static_cast<long>((*engine)()) % blocks : i % blocks;
    if (::pread(fd, buffer->data(), buffer->size(), at * block) != block) fail("big.bin");
  };
  if (!random) {
    for (long i = 0; i < blocks; i++) step(i);
  }
  return step;
}

/// The workloads that are repeated for a time: what makes the step of a thread.
const std::map<std::string, std::function<Step()>> kTimed = {
    {"stat", [] { return statStep; }},         {"lookup", [] { return lookupStep; }},
    {"openread", [] { return openReadStep; }}, {"absent", [] { return absentStep; }},
    {"fstat", fstatStep},                      {"reread", [] { return readStep(options.block, false); }},
    {"randread", [] { return readStep(kPage, true); }}};

void pin() {
  if (options.cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(options.cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

double micros(std::vector<int64_t>& sorted, double share) {
  return static_cast<double>(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]) / 1000;
}

void timed(const std::string& workload) {
  std::vector<std::thread> threads;
  std::atomic<long> operations{0};
  std::vector<int64_t> latencies;
  pthread_barrier_t start;
  ::pthread_barrier_init(&start, nullptr, static_cast<unsigned>(options.threads) + 1);
  for (long t = 0; t < options.threads; t++) {
    threads.emplace_back([&, t] {
      const Step step = kTimed.at(workload)();
      if (options.warm != 0) {
        for (long i = t; i < options.files; i += options.threads) step(i);
      }
      ::pthread_barrier_wait(&start);
      ::pthread_barrier_wait(&start);
      // Threads begin at different files, so that they do not wait for each other's locks more than they have to.
      long done = 0;
      const long first = t * (options.files / options.threads);
      int64_t before = now();
      for (const int64_t end = before + options.ms * 1'000'000; before < end; done++) {
        step(first + done);
        const int64_t after = now();
        if (options.threads == 1) latencies.push_back(after - before);
        before = after;
      }
      operations += done;
    });
  }
  ::pthread_barrier_wait(&start);
  const int64_t begun = spent();
  ::pthread_barrier_wait(&start);
  for (auto& thread : threads) thread.join();
  const double seconds = static_cast<double>(spent() - begun) / 1e9;
  std::sort(latencies.begin(), latencies.end());
  const bool single = !latencies.empty();
  const double scale = workload == "reread" ? static_cast<double>(options.block) / kMebibyte : 1;
  std::printf("%.3f %.9f %.2f %.2f\n", static_cast<double>(operations) * scale, seconds,
              single ? micros(latencies, 0.5) : 0, single ? micros(latencies, 0.99) : 0);
}

long walk(int directory) {
  DIR* stream = ::fdopendir(directory);
  if (stream == nullptr) fail("fdopendir");
  long visited = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_name[0] == '.') continue;
    struct stat st {};
    if (::fstatat(directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) fail(entry->d_name);
    visited++;
    if (S_ISDIR(st.st_mode)) visited += walk(::openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY));
  }
  ::closedir(stream);
  return visited;
}

double readThrough() {
  const int fd = opened("big.bin", O_RDONLY);
  std::vector<char> buffer(static_cast<size_t>(options.block));
  double bytes = 0;
  for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) != 0; bytes += static_cast<double>(n)) {
    if (n < 0) fail("big.bin");
  }
  ::close(fd);
  return bytes / kMebibyte;
}

void forgetPages() {
  const int fd = opened("big.bin", O_RDONLY);
  if (::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) fail("posix_fadvise");
  ::close(fd);
}

double createFiles() {
  for (long i = 0; i < options.files; i++) makeFile(Path(options.tag, i).text, kPage, kPage);
  return static_cast<double>(options.files);
}

void once(const std::string& workload) {
  const std::string file = options.tag + ".bin";
  if (workload == "seqread" && options.forget != 0) forgetPages();
  const int64_t start = now();
  double operations = 0;
  if (workload == "walk") {
    operations = static_cast<double>(walk(opened(".", O_RDONLY | O_DIRECTORY)));
  } else if (workload == "seqread") {
    operations = readThrough();
  } else if (workload == "seqwrite") {
    makeFile(file.c_str(), options.mib * kMebibyte, options.block);
    operations = static_cast<double>(options.mib);
  } else if (workload == "create") {
    operations = createFiles();
  } else {
    errno = EINVAL;
    fail(workload);
  }
  std::printf("%.3f %.9f 0 0\n", operations, static_cast<double>(now() - start) / 1e9);
}

void prepare() {
  for (long i = 0; i < options.directories; i++) {
    char path[32];
    std::snprintf(path, sizeof path, "d%03ld", i);
    if (::mkdir(path, 0755) != 0 && errno != EEXIST) fail(path);
  }
  for (long i = 0; i < options.files; i++) makeFile(Path("f", i).text, kPage, kPage);
  makeFile("big.bin", options.mib * kMebibyte, kMebibyte);
}

void removeMade() {
  ::unlink((options.tag + ".bin").c_str());
  for (long i = 0; i < options.files; i++) ::unlink(Path(options.tag, i).text);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fputs("usage: load WORKLOAD DIRECTORY [key=value]...\n", stderr);
    return 2;
  }
  parse(count, arguments);
  if (::chdir(arguments[2]) != 0) fail(arguments[2]);
  pin();
  const std::string workload = arguments[1];
  if (workload == "prepare") prepare();
  else if (workload == "remove") removeMade();
  else if (kTimed.count(workload) != 0) timed(workload);
  else once(workload);
  return 0;
}
