#include "quick_xor_hash.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace fuse_native {

namespace {

constexpr size_t kBits = 160;
constexpr size_t kShift = 11;
constexpr size_t kReadSize = 1 << 20;

std::string base64(const std::array<uint8_t, kBits / 8>& bytes) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const bool whole = i + 2 < bytes.size();
    const uint32_t group = static_cast<uint32_t>(bytes[i]) << 16 |
                           static_cast<uint32_t>(i + 1 < bytes.size() ? bytes[i + 1] : 0) << 8 |
                           static_cast<uint32_t>(whole ? bytes[i + 2] : 0);
    out += alphabet[group >> 18];
    out += alphabet[group >> 12 & 63];
    out += i + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=';
    out += whole ? alphabet[group & 63] : '=';
  }
  return out;
}

}  // namespace

void QuickXorHash::update(const void* data, size_t length) {
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  size_t column = static_cast<size_t>(length_ % kColumns);
  length_ += length;
  while (length > 0 && column != 0) {
    columns_[column] ^= *bytes++;
    column = (column + 1) % kColumns;
    length -= 1;
  }
  for (; length >= kColumns; length -= kColumns, bytes += kColumns) {
    for (size_t i = 0; i < kColumns; i++) columns_[i] ^= bytes[i];
  }
  for (size_t i = 0; i < length; i++) columns_[i] ^= bytes[i];
}

std::string QuickXorHash::finish() const {
  std::array<uint8_t, kBits / 8> state{};
  for (size_t i = 0; i < kColumns; i++) {
    const size_t bit = i * kShift % kBits;
    const uint32_t spread = static_cast<uint32_t>(columns_[i]) << (bit % 8);
    state[bit / 8] ^= static_cast<uint8_t>(spread);
    state[(bit / 8 + 1) % state.size()] ^= static_cast<uint8_t>(spread >> 8);
  }
  for (size_t i = 0; i < 8; i++) state[12 + i] ^= static_cast<uint8_t>(length_ >> (8 * i));
  return base64(state);
}

int quickXorHashFile(int fd, uint64_t length, QuickXorHash& hash) {
  std::vector<char> buffer(static_cast<size_t>(std::clamp<uint64_t>(length, 1, kReadSize)));
  while (hash.length() < length) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), length - hash.length()));
    const ssize_t got = ::pread(fd, buffer.data(), want, static_cast<off_t>(hash.length()));
    if (got == 0) return 0;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    hash.update(buffer.data(), static_cast<size_t>(got));
  }
  return 0;
}

}  // namespace fuse_native
