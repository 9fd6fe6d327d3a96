// Strands by hand: without threads, `runOne` is one turn.
#include <string>

#include "../core/strand.h"
#include "check.h"

using namespace fuse_native;

namespace {

struct Pool {
  std::shared_ptr<StrandPool> pool = std::make_shared<StrandPool>();
  std::string order;

  void post(const std::shared_ptr<Strand>& strand, char name, Urgency urgency) {
    CHECK(pool->post(strand, [this, name] { order += name; }, urgency));
  }
  void run() {
    while (pool->runOne()) {
    }
  }
};

std::shared_ptr<Strand> strand() { return std::make_shared<Strand>(); }

}  // namespace

TEST(strands_run_by_lane_and_their_jobs_in_order) {
  Pool p;
  const auto low = strand(), normal = strand(), high = strand();
  p.post(low, 'l', Urgency::Low);
  p.post(normal, 'n', Urgency::Normal);
  p.post(high, 'h', Urgency::High);
  p.post(normal, 'm', Urgency::Normal);
  p.run();
  CHECK(p.order == "hnml");
}

TEST(an_urgent_job_hurries_those_before_it_in_its_strand) {
  Pool p;
  const auto a = strand(), b = strand();
  p.post(a, '1', Urgency::Low);
  p.post(b, 'x', Urgency::High);
  p.post(a, '2', Urgency::Normal);
  p.post(a, '3', Urgency::Urgent);
  p.post(a, '4', Urgency::Low);
  p.run();
  CHECK(p.order == "123x4");
}

TEST(the_least_urgent_strand_does_not_starve) {
  Pool p;
  const auto low = strand();
  p.post(low, 'l', Urgency::Low);
  std::vector<std::shared_ptr<Strand>> urgent;
  for (int i = 0; i < 100; i++) {
    urgent.push_back(strand());
    p.post(urgent.back(), 'u', Urgency::Urgent);
  }
  p.run();
  CHECK(p.order.find('l') < 8);
  CHECK(p.order.size() == 101);
}

TEST(a_stopped_pool_runs_what_it_has_and_takes_nothing_more) {
  Pool p;
  const auto a = strand();
  p.post(a, '1', Urgency::Normal);
  p.pool->stop();
  CHECK(!p.pool->post(a, [] {}));
  p.run();
  CHECK(p.order == "1");
}
