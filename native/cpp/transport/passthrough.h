// FUSE passthrough: the kernel reads and writes open files in their backing files itself.
//
// libfuse 3.14 does not know it, so the parts that concern the wire are here: what INIT has to say (added to libfuse's
// answer by DeviceIo), the backing ids (FUSE_DEV_IOC_BACKING_OPEN, one per content for as long as a handle uses it),
// and the replies to OPEN and CREATE that carry one. What it means for a content is in core/content_passthrough.cpp.
//
// It needs Linux 6.9, CAP_SYS_ADMIN outside of any user namespace, and backing files that are not on a stacked
// filesystem (overlayfs, ecryptfs) and that can be leased. Where something is missing it is off, with the reason.
//
// A handle that can be mapped for writing is kept here after its release until nobody has the file open any more: the
// mapping holds the backing file and not the handle, and the kernel tells nobody when it goes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "../core/handle.h"
#include "fuse_api.h"

struct fuse_init_out;

namespace fuse_native {

/// How an open file is announced to the kernel (fuse_open_out).
struct OpenedFile {
  uint64_t number = 0;
  uint32_t flags = 0;
  int32_t backing = 0;
};

class Passthrough {
 public:
  explicit Passthrough(bool wanted)
      : reason_(wanted ? "the kernel was not asked yet" : "switched off"), wanted_(wanted) {}

  // The INIT exchange, called by DeviceIo.
  /// Adds passthrough to libfuse's answer when the kernel offered it (`flags` and `flags2` of its request).
  void answerInit(uint32_t flags, uint32_t flags2, void* answer, size_t length);
  /// The answer was given: finds out whether we are allowed to.
  void initialised(int device);

  bool on() const { return on_; }
  /// Why not; empty while it is on.
  std::string reason();

  /// Attaches a handle, whose access is set, to its content and sets its mode. `mayPass` is what JavaScript thinks of
  /// it.
  void attach(Handle& handle, bool mayPass, OpenedFile& file);
  /// The end of a handle. `abandoned` as for Content::detach. Returns whether the content changed.
  bool detach(const Handle& handle, bool abandoned);

  /// Whether the handle may be mapped for writing still.
  static bool mayBeMapped(const Handle& handle);
  /// Keeps a handle until it cannot be mapped any more. True when nobody waits for that yet: `runKeeper` has to be run.
  bool keep(std::shared_ptr<Handle> handle);
  /// The thread that waits: gives each handle to `gone` when its time has come, and returns when none is left.
  void runKeeper(const std::function<void(const std::shared_ptr<Handle>&)>& gone);
  /// Takes all that are kept; `runKeeper` returns.
  std::vector<std::shared_ptr<Handle>> takeKept();

  /// As fuse_reply_open and fuse_reply_create, with a backing id.
  static int replyOpen(fuse_req_t request, const OpenedFile& file);
  static int replyCreate(fuse_req_t request, const fuse_entry_param& entry, const OpenedFile& file);

 private:
  struct Backing {
    int32_t id;
    uint32_t users;
  };
  int holdLocked(const ContentPtr& content, int32_t& id);
  void letGoLocked(const ContentPtr& content);
  void offLocked(std::string reason);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string reason_;
  std::unordered_map<OpenContent*, Backing> backings_;
  std::vector<std::shared_ptr<Handle>> kept_;
  bool keeping_ = false;
  bool leases_ = false;
  int device_ = -1;
  const bool wanted_;
  bool agreed_ = false;
  std::atomic<bool> on_{false};
};

}  // namespace fuse_native
