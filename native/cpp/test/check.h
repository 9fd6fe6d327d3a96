// A test harness of a few lines: tests register themselves, a failed check says where and ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace fuse_native_test {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

/// A file in the temporary directory that is removed at the end of the scope.
class TemporaryFile {
 public:
  TemporaryFile() : path_("/tmp/fuse-native-core-XXXXXX") {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) std::abort();
    std::fclose(::fdopen(fd, "r+"));
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fuse_native_test

#define TEST(name)                                                             \
  static void name();                                                          \
  static const fuse_native_test::Registration registration_##name(#name, name); \
  static void name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
      std::abort();                                                             \
    }                                                                           \
  } while (false)
