/** What kinds of requests there are, as far as their order is concerned. */
import type { Request } from "@onemount/fuse-native"
import type { Ino } from "../tree/Item.ts"
import type { NodeTable } from "./NodeTable.ts"

type Unanswered = "forget" | "release" | "drained" | "cancel" | "closed"
/** Requests that are answered; the others only inform. */
export type Answered = Exclude<Request, { readonly op: Unanswered }>

/** Complete: a missing one is a type error. */
const answered: Readonly<Record<Answered["op"], true>> = {
  lookup: true,
  getattr: true,
  setattr: true,
  readlink: true,
  mknod: true,
  mkdir: true,
  unlink: true,
  rmdir: true,
  symlink: true,
  link: true,
  rename: true,
  open: true,
  create: true,
  read: true,
  flush: true,
  fsync: true,
  readdir: true,
  fsyncdir: true,
  statfs: true,
  setxattr: true,
  getxattr: true,
  listxattr: true,
  removexattr: true,
  access: true,
  fallocate: true
}
export const answeredOps = Object.keys(answered) as ReadonlyArray<Answered["op"]>

/** open(2): O_ACCMODE. */
const accessMode = 3

export const isWritable = (flags: number): boolean => (flags & accessMode) !== 0

/** Inodes a request changes, for the order of changes; undefined for those that change nothing or need no order. */
export const changedInos = (request: Answered, nodes: NodeTable): ReadonlyArray<Ino> | undefined => {
  switch (request.op) {
    case "setattr":
    case "flush":
    case "fsync":
    case "fallocate":
    case "setxattr":
    case "removexattr":
      return [nodes.ino(request.node)]
    case "mknod":
    case "mkdir":
    case "create":
    case "unlink":
    case "rmdir":
      return [nodes.ino(request.parent)]
    case "rename":
      return [nodes.ino(request.parent), nodes.ino(request.newParent)]
    default:
      return undefined
  }
}
