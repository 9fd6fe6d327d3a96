// canary MISTAKE: makes it and ends with 0 when nobody noticed.
#include <cstdio>

#include "canary.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::printf("%d\n", fuse_native_proof::provoke(arguments[1]));
  return 0;
}
