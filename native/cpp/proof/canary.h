// Mistakes on purpose. A sanitizer that lets one of them pass was not at work, and neither was the rest of its run.
#pragma once

#include <climits>
#include <cstring>
#include <string>
#include <thread>

namespace fuse_native_proof {

// The compiler sees it, too.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuse-after-free"
inline int useAfterFree() {
  auto* numbers = new volatile int[4]{1, 2, 3, 4};
  volatile int* kept = numbers;
  delete[] numbers;
  return kept[2];
}
#pragma GCC diagnostic pop

inline int overflow() {
  volatile int largest = INT_MAX;
  return largest + 1;
}

inline int race() {
  int shared = 0;
  std::thread other([&] {
    for (int i = 0; i < 1000; i++) shared += 1;
  });
  for (int i = 0; i < 1000; i++) shared += 1;
  other.join();
  return shared;
}

inline int leak() {
  static int* volatile last = nullptr;
  for (int i = 0; i < 2; i++) last = new int(i);
  return *last;
}

inline int provoke(const std::string& mistake) {
  if (mistake == "use-after-free") return useAfterFree();
  if (mistake == "overflow") return overflow();
  if (mistake == "race") return race();
  if (mistake == "leak") return leak();
  return -1;
}

}  // namespace fuse_native_proof
