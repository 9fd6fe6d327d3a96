// What the load generator (load.cpp) is made of: its settings, clocks, and files. Whatever goes wrong ends it.
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

struct Options {
  long files = 1000, directories = 20, threads = 1, ms = 100, cpu = -1, mib = 64, block = 128 * 1024, warm = 0,
       server = 0, forget = 1;
  std::string tag = "new";
};
inline Options options;

constexpr long kPage = 4096;
constexpr long kMebibyte = 1 << 20;

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

inline int64_t nanoseconds(clockid_t clock) {
  timespec t{};
  if (::clock_gettime(clock, &t) != 0) fail("clock_gettime");
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

inline int64_t now() { return nanoseconds(CLOCK_MONOTONIC); }

/// What the time of a whole run is taken from.
inline int64_t spent() {
  if (options.server == 0) return now();
  clockid_t clock{};
  if (const int error = ::clock_getcpuclockid(static_cast<pid_t>(options.server), &clock)) {
    errno = error;
    fail("clock_getcpuclockid");
  }
  return nanoseconds(clock) + nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

struct Path {
  Path(const std::string& kind, long i) {
    std::snprintf(text, sizeof text, "d%03ld/%s%06ld", i % options.directories, kind.c_str(), i);
  }
  char text[128];
};

inline int opened(const char* path, int flags) {
  const int fd = ::open(path, flags, 0644);
  if (fd < 0) fail(path);
  return fd;
}

inline void writeAll(int fd, long bytes, long block) {
  const std::vector<char> buffer(static_cast<size_t>(block), 'x');
  for (long done = 0; done < bytes; done += block) {
    if (::write(fd, buffer.data(), static_cast<size_t>(std::min(block, bytes - done))) < 0) fail("write");
  }
}

inline void makeFile(const char* path, long bytes, long block) {
  const int fd = opened(path, O_WRONLY | O_CREAT);
  writeAll(fd, bytes, block);
  if (::close(fd) != 0) fail(path);
}

/// Settings as key=value, from the third argument on.
inline void parse(int count, char** arguments) {
  const std::pair<const char*, long*> numbers[] = {
      {"files", &options.files}, {"directories", &options.directories}, {"threads", &options.threads},
      {"ms", &options.ms},       {"cpu", &options.cpu},                 {"mib", &options.mib},
      {"block", &options.block}, {"warm", &options.warm},               {"server", &options.server},
      {"forget", &options.forget}};
  for (int i = 3; i < count; i++) {
    const std::string argument = arguments[i];
    const size_t equals = argument.find('=');
    const std::string key = argument.substr(0, equals);
    const auto known = std::find_if(std::begin(numbers), std::end(numbers), [&](auto& n) { return key == n.first; });
    errno = EINVAL;
    if (equals == std::string::npos) fail(argument);
    if (key == "tag") options.tag = argument.substr(equals + 1);
    else if (known != std::end(numbers)) *known->second = std::strtol(argument.c_str() + equals + 1, nullptr, 10);
    else fail(argument);
  }
}
