// What kernel and libfuse may offer and a session may use. The numbers are bits of the masks that go to JavaScript
// (native/src/features.ts has the same table).
#pragma once

#include <cstdint>

namespace fuse_native {

enum class Feature : uint32_t {
  ReaddirPlus,
  WritebackCache,
  ParallelDirectoryOperations,
  AsyncRead,
  AsyncDirectIo,
  SpliceRead,
  LargeRequests,
  NegativeEntries,
  NoOpendir,
  Expire,
  Epoch,
  KillPrivileges,
  // Reported; not for the caller to choose.
  NoOpen,
  CloneFd,
  Passthrough
};

/// All that can be chosen but what a filesystem has to agree to or gains nothing from: for callers without an opinion.
constexpr uint32_t kUsualFeatures = ((1u << (static_cast<uint32_t>(Feature::Epoch) + 1)) - 1) &
                                    ~(1u << static_cast<uint32_t>(Feature::WritebackCache)) &
                                    ~(1u << static_cast<uint32_t>(Feature::SpliceRead));

class FeatureSet {
 public:
  explicit FeatureSet(uint32_t bits = 0) : bits_(bits) {}
  bool has(Feature feature) const { return (bits_ >> static_cast<uint32_t>(feature) & 1) != 0; }
  void set(Feature feature, bool on) {
    const uint32_t bit = uint32_t{1} << static_cast<uint32_t>(feature);
    bits_ = on ? bits_ | bit : bits_ & ~bit;
  }
  uint32_t bits() const { return bits_; }

 private:
  uint32_t bits_;
};

}  // namespace fuse_native
