// QuickXorHash, the content hash of OneDrive: a 160-bit register into which byte i is XORed at bit position
// (11 * i mod 160), wrapping round; at the end the 64-bit little-endian length is XORed into bytes 12..19.
//
// The position repeats every 160 bytes, so the input is first folded into 160 byte columns (a plain XOR of blocks,
// which compilers vectorise) and the columns are placed into the register once at the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace fuse_native {

class QuickXorHash {
 public:
  void update(const void* data, size_t length);
  /// 28 characters of base64.
  std::string finish() const;
  uint64_t length() const { return length_; }

 private:
  static constexpr size_t kColumns = 160;
  std::array<uint8_t, kColumns> columns_{};
  uint64_t length_ = 0;
};

/// Hashes bytes [0, length) of a descriptor by pread, or up to its end when it is shorter. 0 or an errno.
int quickXorHashFile(int fd, uint64_t length, QuickXorHash& hash);

}  // namespace fuse_native
