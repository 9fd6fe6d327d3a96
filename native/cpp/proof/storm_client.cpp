// storm_client FOLDER SECONDS: four threads that use a folder of storm_server in every way, each with names of its own
// and some that all share. What only this thread wrote has to come back as it was. Ends with 0 when it did.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<uint64_t> operations{0};
std::atomic<uint64_t> wrong{0};

/// Counts it and says what was wrong: where, what the last call returned, and errno.
void complain(const char* what, ssize_t got, ssize_t expected) {
  const int error = errno;
  wrong += 1;
  std::fprintf(stderr, "wrong: %s returned %zd instead of %zd, errno %d\n", what, got, expected, error);
}

bool isFilledWith(const std::vector<char>& bytes, ssize_t length, char value) {
  for (ssize_t i = 0; i < length; i++) {
    if (bytes[static_cast<size_t>(i)] != value) return false;
  }
  return true;
}

class Client {
 public:
  Client(std::string folder, unsigned number) : folder_(std::move(folder)), number_(number), random_(number) {}

  void run(std::chrono::steady_clock::time_point end) {
    while (std::chrono::steady_clock::now() < end) {
      step();
      operations += 1;
    }
  }

 private:
  std::string own() { return folder_ + "/t" + std::to_string(number_) + "-" + std::to_string(random_() % 8); }
  std::string shared() { return folder_ + "/shared" + std::to_string(random_() % 4); }

  void step() {
    struct stat st {};
    switch (random_() % 8) {
      case 0:
        ::stat(own().c_str(), &st);
        break;
      case 1:
        writeAndRead();
        break;
      case 2:
        ::rename(own().c_str(), shared().c_str());
        break;
      case 3:
        useShared();
        break;
      case 4:
        ::unlink(random_() % 2 == 0 ? own().c_str() : shared().c_str());
        break;
      case 5:
        if (DIR* const folder = ::opendir(folder_.c_str())) {
          while (::readdir(folder) != nullptr) {
          }
          ::closedir(folder);
        }
        break;
      case 6:
        ::truncate(shared().c_str(), static_cast<off_t>(random_() % 100000));
        break;
      case 7:
        readGhost();
        break;
    }
  }

  void writeAndRead() {
    const int fd = ::open(own().c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return;
    const char value = static_cast<char>('a' + random_() % 26);
    std::vector<char> bytes(1 + random_() % 200000, value);
    const auto size = static_cast<ssize_t>(bytes.size());
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written != size) complain("write", written, size);
    bytes.assign(bytes.size(), 0);
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
    if (got != size) complain("reading what was written", got, size);
    else if (!isFilledWith(bytes, got, value)) complain("reading what was written (other bytes)", got, size);
    if (random_() % 16 == 0) ::fsync(fd);
    ::close(fd);
  }

  void useShared() {
    const int fd = ::open(shared().c_str(), O_RDWR | O_CREAT, 0644);
    if (fd < 0) return;
    std::vector<char> bytes(10000, 's');
    const auto at = static_cast<off_t>(random_() % 100000);
    const auto size = static_cast<ssize_t>(bytes.size());
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), at);
    if (written < 0) complain("writing a shared file", written, size);
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
    if (got < 0) complain("reading a shared file", got, size);
    ::close(fd);
  }

  void readGhost() {
    const std::string path = folder_ + "/ghost" + std::to_string(random_() % 4);
    const int fd = ::open(path.c_str(), O_RDONLY);
    if (fd < 0) {
      complain("opening a ghost", fd, 0);
      return;
    }
    std::vector<char> bytes(65536);
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(random_() % (4 << 20)));
    if (got < 0 || !isFilledWith(bytes, got, 'g')) complain("reading a ghost", got, static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }

  const std::string folder_;
  const unsigned number_;
  std::mt19937 random_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::stoi(arguments[2]));
  std::vector<std::thread> threads;
  for (unsigned number = 1; number <= 4; number++) {
    threads.emplace_back([&, number] { Client(arguments[1], number).run(end); });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%lu operations, %lu wrong\n", operations.load(), wrong.load());
  return wrong == 0 ? 0 : 1;
}
