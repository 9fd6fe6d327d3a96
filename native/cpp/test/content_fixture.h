// Contents for tests of one.
#pragma once

#include <string>

#include "../core/content.h"
#include "check.h"

namespace fuse_native_test {

using namespace fuse_native;

/// What a missing range is widened to.
constexpr uint64_t kPage = 128 * 1024;

/// A content of which nothing is here yet and that may be written.
inline std::shared_ptr<Content> ghost(const TemporaryFile& file, uint64_t size) {
  ContentSpec spec;
  spec.path = file.path();
  spec.size = size;
  spec.modified = true;
  std::shared_ptr<Content> content;
  CHECK(Content::open(spec, content) == 0);
  return content;
}

/// Bytes that have to be here.
inline std::string text(Content& content, uint64_t offset, size_t length) {
  const ReadPlan plan = content.plan(offset, length);
  CHECK(plan.present);
  std::string out(plan.length, '?');
  CHECK(content.read(plan, out.data(), offset) == static_cast<ssize_t>(plan.length));
  return out;
}

}  // namespace fuse_native_test
