// What a session and the kernel agree on in INIT: each feature is offered or not, wanted or not, and active when both.
// Limits of requests are here, too.
#include <linux/fuse.h>

#include <algorithm>

#include "session.h"

namespace fuse_native {

namespace {

// Since Linux 6.9; not in the headers that libfuse 3.14 is built with.
constexpr uint64_t kPassthroughFlag = uint64_t{1} << 37;
constexpr unsigned kSmallRequest = 128 * 1024;

struct Negotiable {
  Feature feature;
  unsigned capability;
};

constexpr Negotiable kNegotiables[] = {
    {Feature::WritebackCache, FUSE_CAP_WRITEBACK_CACHE},
    {Feature::ParallelDirectoryOperations, FUSE_CAP_PARALLEL_DIROPS},
    {Feature::AsyncRead, FUSE_CAP_ASYNC_READ},
    {Feature::AsyncDirectIo, FUSE_CAP_ASYNC_DIO},
    {Feature::SpliceRead, FUSE_CAP_SPLICE_READ},
    {Feature::ReaddirPlus, FUSE_CAP_READDIRPLUS},
};

}  // namespace

void Session::initialise(fuse_conn_info* connection) {
  const FeatureSet wanted(options_.features);
  FeatureSet offered, active;
  const unsigned capable = connection->capable;
  const unsigned refused = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_WRITE |
                           FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS_AUTO;
  connection->want = (connection->want & ~refused) | (capable & (FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_IOCTL_DIR));
  for (const auto& [feature, capability] : kNegotiables) {
    offered.set(feature, (capable & capability) != 0);
    const bool on = offered.has(feature) && wanted.has(feature);
    active.set(feature, on);
    connection->want = on ? connection->want | capability : connection->want & ~capability;
  }
  if (active.has(Feature::ReaddirPlus)) connection->want |= capable & FUSE_CAP_READDIRPLUS_AUTO;
  // libfuse claims this for every kernel; DeviceIo has seen the kernel's own words, and says ours.
  offered.set(Feature::ParallelDirectoryOperations, (deviceIo_.offered() & FUSE_PARALLEL_DIROPS) != 0);
  if (!offered.has(Feature::ParallelDirectoryOperations)) active.set(Feature::ParallelDirectoryOperations, false);

  // libfuse offers it only to a session that brings the function for it, which it does when it wants it.
  offered.set(Feature::SpliceRead, true);

  const auto simple = [&](Feature feature, bool can) {
    offered.set(feature, can);
    active.set(feature, can && wanted.has(feature));
  };
  simple(Feature::LargeRequests, (deviceIo_.offered() & FUSE_MAX_PAGES) != 0);
  simple(Feature::NegativeEntries, true);
  simple(Feature::NoOpendir, (capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0);
  simple(Feature::Expire, (capable & FUSE_CAP_EXPIRE_ONLY) != 0);
  simple(Feature::Epoch, hasEpoch_);
  simple(Feature::KillPrivileges, (deviceIo_.offered() & FUSE_HANDLE_KILLPRIV_V2) != 0);
  deviceIo_.agree((active.has(Feature::ParallelDirectoryOperations) ? FUSE_PARALLEL_DIROPS : 0) |
                  (active.has(Feature::KillPrivileges) ? FUSE_HANDLE_KILLPRIV_V2 : 0));
  offered.set(Feature::NoOpen, (capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0);
  offered.set(Feature::CloneFd, true);
  offered.set(Feature::Passthrough, (deviceIo_.offered() & kPassthroughFlag) != 0);
  notifier_.canExpire(active.has(Feature::Expire));

  const auto largest = static_cast<unsigned>(options_.maxTransfer);
  const unsigned transfer = active.has(Feature::LargeRequests) ? largest : std::min(largest, kSmallRequest);
  connection->max_write = transfer;
  connection->max_read = static_cast<unsigned>(options_.maxTransfer);  // as in the mount options
  connection->max_background = options_.maxBackground;
  connection->congestion_threshold = options_.maxBackground * 3 / 4;
  capabilities_ = connection->want | (capable & FUSE_CAP_NO_OPENDIR_SUPPORT);
  offered_ = offered.bits();
  active_ = active.bits();
}

}  // namespace fuse_native
