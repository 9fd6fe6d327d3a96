// One request packed for the other side. A record is a sequence of 8-byte words, native byte order:
//   word 0          operation number (low 32 bits), length of the record in words (high 32 bits)
//   other words     numbers as IEEE doubles (exact below 2^53), NaN for "not given"; a byte string is its length as a
//                   number followed by its bytes, padded with zeros to a whole word.
// Which fields an operation has is fixed by the code that packs it and by native/src/layouts.ts.
//
// Beside the words a record has a lane and keys, which only the queue looks at: records that share a key keep their
// order. Keys are inodes for requests and contents for content events.
#pragma once

#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "lane.h"

namespace fuse_native {

class Record {
 public:
  explicit Record(Op op) : op_(op), lane_(laneOf(op)) {
    words_.reserve(16);
    words_.push_back(0);
  }

  Record& number(double value) {
    uint64_t word;
    std::memcpy(&word, &value, sizeof word);
    words_.push_back(word);
    return *this;
  }
  Record& integer(uint64_t value) { return number(static_cast<double>(value)); }
  Record& absent() { return number(std::nan("")); }
  Record& bytes(const void* data, size_t length) {
    integer(length);
    const size_t at = words_.size();
    words_.resize(at + (length + 7) / 8, 0);
    if (length > 0) std::memcpy(&words_[at], data, length);
    return *this;
  }
  Record& text(std::string_view value) { return bytes(value.data(), value.size()); }

  /// The number of the request, which is a field of the record as well.
  Record& request(uint64_t id) {
    id_ = id;
    return integer(id);
  }
  /// Keeps the record behind those with the same key that are queued before it. May be called several times.
  Record& after(uint64_t key) {
    keys_.push_back(key);
    return *this;
  }
  /// Another lane than the operation's.
  Record& in(Lane lane) {
    lane_ = lane;
    return *this;
  }

  Op op() const { return op_; }
  /// 0 for what is no request.
  uint64_t id() const { return id_; }
  Lane lane() const { return lane_; }
  const std::vector<uint64_t>& keys() const { return keys_; }
  size_t words() const { return words_.size(); }
  void copyTo(uint64_t* out) const {
    std::memcpy(out, words_.data(), words_.size() * sizeof(uint64_t));
    out[0] = static_cast<uint64_t>(op_) | (static_cast<uint64_t>(words_.size()) << 32);
  }

 private:
  Op op_;
  Lane lane_;
  uint64_t id_ = 0;
  std::vector<uint64_t> words_;
  std::vector<uint64_t> keys_;
};

}  // namespace fuse_native
