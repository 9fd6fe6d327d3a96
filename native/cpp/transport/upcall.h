// A request on its way up: what is remembered until the answer comes, and the record that JavaScript gets.
#pragma once

#include "session.h"

namespace fuse_native {

inline Session& sessionOf(fuse_req_t request) { return *static_cast<Session*>(fuse_req_userdata(request)); }

class Upcall {
 public:
  Upcall(fuse_req_t request, Op op, uint64_t node) : record(op) {
    const fuse_ctx* caller = fuse_req_ctx(request);
    pending.id = sessionOf(request).nextRequestId();
    pending.op = op;
    pending.request = request;
    pending.thread = caller->pid;
    pending.startNs = monotonicNs();
    pending.node = node;
    pending.startsChange = fuse_native::startsChange(op);
    pending.asked = sessionOf(request).inodes().sequence();
    record.request(pending.id).integer(node).integer(caller->uid).integer(caller->gid);
    record.integer(static_cast<uint64_t>(caller->pid)).integer(caller->umask);
    record.after(node);
  }

  /// A name that the answer is about; part of the record, too.
  Upcall& name(const char* name) {
    pending.name = name;
    record.text(name);
    return *this;
  }

  void send() {
    Session& session = sessionOf(pending.request);
    session.send(std::move(pending), std::move(record));
  }

  Pending pending;
  Record record;
};

}  // namespace fuse_native
