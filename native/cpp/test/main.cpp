#include "check.h"

int main() {
  for (const auto& test : fuse_native_test::tests()) {
    test.run();
    std::printf("ok %s\n", test.name);
  }
  std::printf("%zu core tests passed\n", fuse_native_test::tests().size());
  return 0;
}
