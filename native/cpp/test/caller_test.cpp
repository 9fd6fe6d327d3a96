#include "../core/caller.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

using namespace fuse_native;

TEST(caller_that_is_killed_or_gone_is_dying_and_one_that_is_not_seen_is_not) {
  CHECK(!isDying(::getpid()));
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  CHECK(!isDying(child));
  CHECK(::kill(child, SIGKILL) == 0);
  CHECK(::waitpid(child, nullptr, 0) == child);
  CHECK(isDying(child));
  // The kernel's name for a caller outside of the process namespace that the mount was made in.
  CHECK(!isDying(0));
}
