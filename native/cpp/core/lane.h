// How urgent a record is for JavaScript. High, Normal and Low share each batch by weight, so that none of them starves;
// First goes before everything and Last after everything, and neither comes often enough to starve anybody.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "operation.h"

namespace fuse_native {

enum class Lane : uint8_t {
  /// Cancels.
  First,
  /// Somebody waits for an answer that changes nothing: metadata, and the bytes a blocked reader needs.
  High,
  /// Changes.
  Normal,
  /// Nobody waits: forgets, releases, read-ahead, background reads.
  Low,
  /// The end of a session.
  Last,
  Count
};

constexpr size_t kLanes = static_cast<size_t>(Lane::Count);

/// Records that one round takes from each lane that has some.
constexpr std::array<unsigned, kLanes> kLaneWeights = {0, 8, 4, 1, 0};

constexpr Lane laneOf(Op op) {
  switch (op) {
    case Op::Cancel:
      return Lane::First;
    case Op::Lookup:
    case Op::GetAttr:
    case Op::ReadLink:
    case Op::Open:
    case Op::Read:
    case Op::ReadDir:
    case Op::StatFs:
    case Op::GetXattr:
    case Op::ListXattr:
    case Op::Access:
    case Op::Fetch:
      return Lane::High;
    case Op::Forget:
    case Op::Release:
    case Op::Drained:
      return Lane::Low;
    case Op::Closed:
      return Lane::Last;
    default:
      return Lane::Normal;
  }
}

}  // namespace fuse_native
