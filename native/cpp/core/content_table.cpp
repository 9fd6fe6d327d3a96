#include "content_table.h"

#include <cerrno>

namespace fuse_native {

namespace {
// More than one that copies or syncs a large file must not keep the downloads of all others waiting.
constexpr size_t kFillers = 4;
}  // namespace

ContentTable::ContentTable(std::function<void()> wake, size_t queueLimit, const WriteLimits& limits)
    : events_(queueLimit, std::move(wake)), budget_(std::make_shared<WriteBudget>(limits)) {}

int ContentTable::create(std::function<void()> wake, std::shared_ptr<ContentTable>& out, size_t queueLimit,
                         const WriteLimits& limits) {
  std::shared_ptr<ContentTable> table(new ContentTable(std::move(wake), queueLimit, limits));
  const int error = table->fillers_->start(table->threads_, kFillers);
  if (error != 0) {
    table->fillers_->stop();
  } else {
    out = std::move(table);
  }
  return error;
}

int ContentTable::find(ContentId id, ContentPtr& out) {
  std::shared_lock lock(contentsMutex_);
  if (disposed_) return ENODEV;
  const auto it = contents_.find(id);
  if (it == contents_.end()) return EBADF;
  out = it->second;
  return 0;
}

int ContentTable::open(ContentId id, const ContentSpec& spec) {
  {
    std::shared_lock lock(contentsMutex_);
    if (disposed_) return ENODEV;
    if (contents_.count(id) > 0) return EEXIST;
  }
  std::shared_ptr<Content> body;
  if (const int error = Content::open(spec, body)) return error;
  const auto content = std::make_shared<OpenContent>(id, std::move(body), shared_from_this(), budget_, total_);
  std::unique_lock lock(contentsMutex_);
  return contents_.emplace(id, content).second ? 0 : EEXIST;
}

int ContentTable::close(ContentId id) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  if (content->body->handles() > 0) return EBUSY;
  {
    std::unique_lock lock(contentsMutex_);
    contents_.erase(id);
  }
  content->body->close();
  content->writes.close(EBADF);
  forgetUnsynced(*content);
  fail(content->body->takeAllWaiters(), EBADF);
  return 0;
}

int ContentTable::drop(ContentId id) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  std::vector<Extent> fetches;
  const int error = content->body->drop(fetches);
  askFor(*content, fetches, 0);
  return error;
}

int ContentTable::fill(ContentId id, uint64_t offset, std::vector<char> bytes, Done done) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  auto data = std::make_shared<std::vector<char>>(std::move(bytes));
  const bool posted = fillers_->post(content->strand, [self = shared_from_this(), content, offset, data, done] {
    std::vector<WaiterId> released;
    uint64_t written = 0;
    const int error = content->body->fill(data->data(), offset, data->size(), released, written);
    self->bytesFilled_ += written;
    self->serve(released);
    done(error);
  });
  return posted ? 0 : ENODEV;
}

int ContentTable::failRange(ContentId id, uint64_t offset, uint64_t length, int error) {
  ContentPtr content;
  if (const int failure = find(id, content)) return failure;
  fail(content->body->failRange(offset, offset + length), error);
  return 0;
}

int ContentTable::read(ContentId id, uint64_t offset, size_t length, ReadDone done) {
  ContentPtr content;
  if (const int error = find(id, content)) return error;
  const bool posted = fillers_->post(content->strand, [self = shared_from_this(), content, offset, length, done] {
    self->readOrWait(content, self->nextWaiter(), offset, length, 0, done);
  });
  return posted ? 0 : ENODEV;
}

bool ContentTable::attachSession() {
  std::unique_lock lock(contentsMutex_);
  if (disposed_) return false;
  sessions_ += 1;
  return true;
}

void ContentTable::detachSession() {
  std::unique_lock lock(contentsMutex_);
  sessions_ -= 1;
}

int ContentTable::dispose(bool force) {
  std::unordered_map<ContentId, ContentPtr> contents;
  {
    std::unique_lock lock(contentsMutex_);
    if (disposed_) return 0;
    if (sessions_ > 0 && !force) return EBUSY;
    disposed_ = true;
    contents.swap(contents_);
  }
  for (const auto& [id, content] : contents) {
    content->body->close();
    content->writes.close(ENODEV);
    fail(content->body->takeAllWaiters(), ENODEV);
  }
  fillers_->stop();
  return 0;
}

std::vector<ContentPtr> ContentTable::contents() {
  std::shared_lock lock(contentsMutex_);
  std::vector<ContentPtr> all;
  for (const auto& [id, content] : contents_) all.push_back(content);
  return all;
}

size_t ContentTable::count() {
  std::shared_lock lock(contentsMutex_);
  return contents_.size();
}

}  // namespace fuse_native
