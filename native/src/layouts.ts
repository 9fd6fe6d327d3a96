/**
 * What each record holds: one table, by operation number (cpp/core/operation.h has the same numbers and names, which a
 * test compares). A layout reads the fields in the order in which they were packed, which is the order of its
 * properties; cpp/transport/operations.cpp, data_operations.cpp and replies.cpp pack requests, cpp/core/content_waiters.cpp
 * content events.
 *
 * Numbers arrive as doubles. All of them are exact: ids are counters, node ids and inode numbers are chosen below 2^53,
 * and offsets and sizes from 2^53 on are refused with EFBIG before they get here.
 */
import type { FieldReader } from "./fields.ts"
import type { ContentEvent, Request } from "./types.ts"

export interface Layout {
  readonly name: string
  /** Where the operation comes up as a request. */
  readonly request?: (fields: FieldReader) => Request
  /** Where it comes up as a content event. Neither: it occurs in statistics only. */
  readonly event?: (fields: FieldReader) => ContentEvent
}

const onNode = (op: "readlink" | "fsyncdir" | "statfs"): Layout => ({
  name: op,
  request: (f) => ({ op, id: f.request(), node: f.node(), caller: f.caller() })
})

const onName = (op: "lookup" | "unlink" | "rmdir"): Layout => ({
  name: op,
  request: (f) => ({ op, id: f.request(), parent: f.node(), caller: f.caller(), name: f.text() })
})

export const layouts: ReadonlyArray<Layout> = [
  { name: "" },
  onName("lookup"),
  {
    name: "forget",
    request: (f) => ({
      op: "forget",
      nodes: Array.from({ length: f.number() }, () => f.node())
    })
  },
  {
    name: "getattr",
    request: (f) => ({ op: "getattr", id: f.request(), node: f.node(), caller: f.caller(), handle: f.handleIfAny() })
  },
  {
    name: "setattr",
    request: (f) => ({
      op: "setattr",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      handle: f.handleIfAny(),
      mode: f.optional(),
      uid: f.optional(),
      gid: f.optional(),
      size: f.optional(),
      atime: f.time(),
      mtime: f.time()
    })
  },
  onNode("readlink"),
  {
    name: "mknod",
    request: (f) => ({
      op: "mknod",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      mode: f.number(),
      rdev: f.number()
    })
  },
  {
    name: "mkdir",
    request: (f) => ({
      op: "mkdir",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      mode: f.number()
    })
  },
  onName("unlink"),
  onName("rmdir"),
  {
    name: "symlink",
    request: (f) => ({
      op: "symlink",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      target: f.text()
    })
  },
  {
    name: "link",
    request: (f) => ({
      op: "link",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      node: f.node()
    })
  },
  {
    name: "rename",
    request: (f) => ({
      op: "rename",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      newParent: f.node(),
      newName: f.text(),
      flags: f.number()
    })
  },
  {
    name: "open",
    request: (f) => ({ op: "open", id: f.request(), node: f.node(), caller: f.caller(), flags: f.number() })
  },
  {
    name: "create",
    request: (f) => ({
      op: "create",
      id: f.request(),
      parent: f.node(),
      caller: f.caller(),
      name: f.text(),
      mode: f.number(),
      flags: f.number()
    })
  },
  {
    name: "read",
    request: (f) => ({
      op: "read",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      handle: f.handle(),
      offset: f.number(),
      size: f.number()
    })
  },
  {
    name: "flush",
    request: (f) => ({
      op: "flush",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      handle: f.handle(),
      content: f.content()
    })
  },
  {
    name: "fsync",
    request: (f) => ({
      op: "fsync",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      handle: f.handle(),
      content: f.contentIfAny(),
      dataOnly: f.flag()
    })
  },
  {
    name: "release",
    request: (f) => ({ op: "release", node: f.node(), handle: f.handle(), content: f.contentIfAny() })
  },
  {
    name: "readdir",
    request: (f) => ({
      op: "readdir",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      offset: f.number(),
      size: f.number(),
      plus: f.flag()
    })
  },
  onNode("fsyncdir"),
  onNode("statfs"),
  {
    name: "setxattr",
    request: (f) => ({
      op: "setxattr",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      name: f.text(),
      value: f.bytes(),
      flags: f.number()
    })
  },
  {
    name: "getxattr",
    request: (f) => ({
      op: "getxattr",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      name: f.text(),
      size: f.number()
    })
  },
  {
    name: "listxattr",
    request: (f) => ({ op: "listxattr", id: f.request(), node: f.node(), caller: f.caller(), size: f.number() })
  },
  {
    name: "removexattr",
    request: (f) => ({ op: "removexattr", id: f.request(), node: f.node(), caller: f.caller(), name: f.text() })
  },
  {
    name: "access",
    request: (f) => ({ op: "access", id: f.request(), node: f.node(), caller: f.caller(), mask: f.number() })
  },
  {
    name: "fallocate",
    request: (f) => ({
      op: "fallocate",
      id: f.request(),
      node: f.node(),
      caller: f.caller(),
      handle: f.handle(),
      content: f.contentIfAny(),
      mode: f.number(),
      offset: f.number(),
      length: f.number()
    })
  },
  { name: "dirty", event: (f) => ({ op: "dirty", id: f.request(), content: f.content() }) },
  {
    name: "fetch",
    event: (f) => ({
      op: "fetch",
      content: f.content(),
      offset: f.number(),
      length: f.number(),
      sequential: f.number(),
      ahead: f.flag()
    })
  },
  { name: "cancel", request: (f) => ({ op: "cancel", target: f.request() }) },
  { name: "closed", request: (f) => ({ op: "closed", reason: f.text() }) },
  { name: "write" },
  { name: "lseek" },
  { name: "space", event: (f) => ({ op: "space", id: f.request(), content: f.content(), bytes: f.number() }) },
  { name: "drained", request: (f) => ({ op: "drained", node: f.node(), content: f.content() }) }
]
