// A content in a table: the body, the strand its slow work runs on, the queue that orders its changes, and what its
// handles have to hear.
#pragma once

#include <atomic>
#include <memory>

#include "content.h"
#include "error_sequence.h"
#include "strand.h"
#include "write_queue.h"

namespace fuse_native {

class ContentTable;
using ContentId = uint64_t;

class OpenContent final : public WriteTarget, public std::enable_shared_from_this<OpenContent> {
 public:
  OpenContent(ContentId id, std::shared_ptr<Content> body, const std::shared_ptr<ContentTable>& table,
              const std::shared_ptr<WriteBudget>& budget, const std::shared_ptr<WriteAccount>& total)
      : id(id), body(std::move(body)), writes(*this, budget, total), table_(table) {}

  const ContentId id;
  const std::shared_ptr<Content> body;
  const std::shared_ptr<Strand> strand = std::make_shared<Strand>();
  WriteQueue writes;
  /// Failures of writes and syncs, for every handle once.
  ErrorSequence errors;
  /// Bytes written and not synced since.
  std::atomic<uint64_t> unsynced{0};

  // What the queue has done (content_changes.cpp).
  Hold obstacle() override;
  ssize_t write(const QueueEntry& entry) override;
  int sync() override;
  void schedule(Urgency urgency) override;
  void ask(Hold hold, uint64_t bytes) override;
  void failed(int error) override { errors.record(error); }
  void changeBegins() override { body->beginChange(); }
  void changeEnds() override { body->endChange(); }

 private:
  const std::weak_ptr<ContentTable> table_;
};

using ContentPtr = std::shared_ptr<OpenContent>;

}  // namespace fuse_native
