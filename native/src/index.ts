/**
 * A FUSE session for Node. The kernel's requests come up in batches (`take`), answers go down one by one (`reply...`),
 * and file data does neither: reads and writes of an open file are served from its content's backing file by native
 * threads, which ask upwards only for bytes that are not there yet. See README.md for the model.
 */
export { ContentTable } from "./content-table.ts"
export { Dispatcher } from "./dispatcher.ts"
export type { DispatcherOptions, Handler, Problem, RequestOf } from "./dispatcher.ts"
export { Ended, FuseError, HandlerExists, InvalidArgument, StrayReply, TooLarge } from "./errors.ts"
export type { Feature, Features, FeatureState, FeatureSwitch, FeatureSwitches } from "./features.ts"
export { libfuseVersion, ownFile, quickXorHashFile, syncFile } from "./files.ts"
export type { QuickXorHash } from "./files.ts"
export { Session } from "./session.ts"
export type { HandleWriteFigures, Unflushed, WriteFigures, WriteLimits, WriteStats } from "./writes.ts"
export * from "./types.ts"
