// What the write queue decides, step by step.
#include "../core/error_sequence.h"
#include "write_queue_fixture.h"

using namespace fuse_native;
using fuse_native_test::Fixture;

TEST(write_queue_keeps_the_order_of_handles_and_barriers) {
  Fixture f;
  CHECK(f.queue.idle());
  f.write(1, "aaaa");
  f.write(2, "bb");
  f.barrier(3, [&] {
    CHECK(f.target.file == "bbaa");
    return 0;
  });
  f.write(4, "c");
  CHECK(!f.queue.idle() && f.target.changes == 3 && f.queue.bytes() == 7);
  f.run();
  CHECK(f.ended == (std::vector<WaiterId>{1, 2, 3, 4}));
  CHECK(f.results[1] == 4 && f.results[2] == 2 && f.results[3] == 0);
  CHECK(f.queue.idle() && f.target.changes == 0 && f.target.file == "cbaa");
  CHECK(f.total->deferred == 3 && f.total->completed == 3 && f.total->bytes == 7 && f.total->queuedMost == 3);
}

TEST(write_queue_is_hurried_as_a_whole_when_something_urgent_waits) {
  Fixture f;
  f.write(1, "a");
  f.write(2, "b");
  CHECK(f.target.scheduled == std::vector<Urgency>{Urgency::Normal});
  f.barrier(3);
  CHECK(f.target.scheduled == (std::vector<Urgency>{Urgency::Normal, Urgency::Urgent}));
  f.run();
  CHECK(f.ended == (std::vector<WaiterId>{1, 2, 3}));
}

TEST(write_queue_syncs_a_synchronous_write_before_it_is_answered) {
  Fixture f;
  f.write(1, "data", 0, Urgency::High);
  CHECK(f.target.scheduled == std::vector<Urgency>{Urgency::High});
  f.run();
  CHECK(f.target.done == (std::vector<std::string>{"data", "sync"}));
  f.target.syncFailure = EIO;
  f.write(2, "more", 0, Urgency::High);
  f.run();
  CHECK(f.results[2] == -EIO && f.target.failures == std::vector<int>{EIO});
}

TEST(write_queue_waits_for_permission_and_fails_only_who_needs_it) {
  Fixture f;
  f.target.hold = Hold::Permission;
  f.write(1, "a");
  f.write(2, "b");
  f.barrier(3);
  f.write(4, "c");
  CHECK(f.target.asked.size() == 1 && f.target.scheduled.empty());
  f.queue.resume(Hold::Room, 0);
  CHECK(f.results.empty());
  f.queue.resume(Hold::Permission, EROFS);
  CHECK(f.results[1] == -EROFS && f.results[2] == -EROFS && f.target.failures.empty());
  f.run();
  CHECK(f.results[3] == 0 && f.results.count(4) == 0 && f.target.asked.size() == 2);
  f.target.hold = Hold::None;
  f.queue.resume(Hold::Permission, 0);
  f.run();
  CHECK(f.results[4] == 1);
}

TEST(write_queue_asks_for_room_three_times) {
  Fixture f;
  f.target.failWrites = 1;
  f.write(1, "abc");
  f.write(2, "de", 3);
  f.run();
  CHECK(f.target.asked == (std::vector<std::pair<Hold, uint64_t>>{{Hold::Room, 3}}));
  CHECK(f.results.empty() && f.target.changes == 2);
  f.queue.resume(Hold::Room, 0);
  f.run();
  CHECK(f.target.file == "abcde");
  f.target.failWrites = 4;
  f.write(3, "x");
  f.run();
  for (unsigned i = 0; i < WriteQueue::kRoomAttempts; i++) {
    CHECK(f.results.count(3) == 0);
    f.queue.resume(Hold::Room, 0);
    f.run();
  }
  CHECK(f.results[3] == -ENOSPC && f.target.failures == std::vector<int>{ENOSPC});
}

TEST(write_queue_without_room_fails_the_write_that_was_tried_and_goes_on) {
  Fixture f;
  f.target.failWrites = 1;
  f.write(1, "abc");
  f.write(2, "de");
  f.run();
  f.queue.resume(Hold::Room, ENOSPC);
  CHECK(f.results[1] == -ENOSPC && f.results.count(2) == 0);
  f.run();
  CHECK(f.results[2] == 2);
  // Cancelled while it was asked for: nobody is left to be told, and the next one is tried by itself.
  f.target.failWrites = 1;
  f.write(3, "abc");
  f.write(4, "de");
  f.run();
  CHECK(f.queue.cancel(3));
  f.queue.resume(Hold::Room, ENOSPC);
  f.run();
  CHECK(f.results.count(3) == 0 && f.results[4] == 2 && f.target.changes == 0);
}

TEST(write_queue_looks_again_when_another_write_comes_to_the_head) {
  Fixture f;
  f.barrier(1);
  f.write(2, "a");
  f.target.hold = Hold::Permission;
  CHECK(f.queue.cancel(1));
  f.run();
  CHECK(f.target.done.empty() && f.target.asked.size() == 1);
  f.target.hold = Hold::None;
  f.queue.resume(Hold::Permission, 0);
  f.run();
  CHECK(f.results[2] == 1);
}

TEST(write_queue_cancels_what_is_not_being_carried_out) {
  Fixture f;
  f.write(1, "a");
  f.write(2, "b");
  CHECK(f.queue.cancel(2) && !f.queue.cancel(2) && !f.queue.cancel(7));
  f.barrier(3, [&] {
    CHECK(!f.queue.cancel(3));
    return 0;
  });
  f.run();
  CHECK(f.ended == (std::vector<WaiterId>{1, 3}) && f.total->cancelled == 1 && f.total->queued == 0);
}

TEST(write_queue_that_is_closed_ends_everything_once) {
  Fixture f;
  f.target.hold = Hold::Dirty;
  f.write(1, "a");
  f.barrier(2);
  f.queue.close(ENODEV);
  CHECK(f.results[1] == -ENODEV && f.results[2] == -ENODEV && f.queue.idle());
  CHECK(f.write(3, "b") == ENODEV);
  f.queue.resume(Hold::Dirty, 0);
  f.run();
  CHECK(f.results.size() == 2 && f.target.done.empty());
}

TEST(write_queue_puts_a_greedy_handle_behind_others_and_fills_the_budget) {
  Fixture f;
  auto greedy = std::make_shared<WriteAccount>(1, 1);
  for (WaiterId i = 1; i <= 3; i++) f.write(i, "1234", 0, Urgency::Normal, greedy);
  CHECK(greedy->queued == 3 && greedy->queuedBytes == 12);
  f.target.scheduled.clear();
  f.queue.step();
  f.queue.step();
  // What is left was beyond the share of the handle.
  CHECK(f.target.scheduled == (std::vector<Urgency>{Urgency::Normal, Urgency::Low}));
  f.run();
  CHECK(!f.budget->isFull());
  f.write(10, std::string(64, 'x'));
  CHECK(f.budget->isFull());
  f.budget->waitForRoom([] { return true; });
  f.run();
  CHECK(!f.budget->isFull());
  f.budget->waitForRoom([] { return false; });
  CHECK(greedy->queued == 0 && greedy->completed == 3 && greedy->latency.count() == 3);
}

TEST(error_sequence_is_heard_once_by_everybody) {
  ErrorSequence errors;
  std::atomic<uint64_t> early{errors.sample()}, other{errors.sample()};
  CHECK(errors.take(early) == 0);
  errors.record(EIO);
  // Nobody has heard it: who opens now does.
  std::atomic<uint64_t> late{errors.sample()};
  CHECK(errors.take(early) == EIO && errors.take(early) == 0);
  std::atomic<uint64_t> latest{errors.sample()};
  CHECK(errors.take(latest) == 0);
  CHECK(errors.take(late) == EIO && errors.take(late) == 0);
  errors.record(ENOSPC);
  errors.record(EIO);
  CHECK(errors.take(other) == EIO && errors.take(other) == 0);
  CHECK(errors.take(latest) == EIO && errors.take(early) == EIO);
}
