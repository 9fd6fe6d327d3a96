/** What the test daemon understands. */

/** A file or folder that is on the drive before it is mounted. */
export interface Seed {
  readonly path: string
  readonly text?: string
  /** Bytes of `0123456789abcdef`, repeated. */
  readonly size?: number
}

export type Command =
  /** The second client changes the drive. */
  | { readonly command: "put" | "replace"; readonly path: string; readonly text: string }
  | { readonly command: "rename"; readonly path: string; readonly name: string }
  | { readonly command: "delete" | "read"; readonly path: string }
  | { readonly command: "list" }
  /** Applies the newest delta. */
  | { readonly command: "poll" }
  /** Everything to the server within `timeout` ms; answers what is missing. */
  | { readonly command: "sync"; readonly timeout: number }
  /** Downloads hang from now on, until `release`. */
  | { readonly command: "hang" | "release" }
  /** The next `times` downloads have a wrong byte. */
  | { readonly command: "corrupt"; readonly times: number }
  /** Drops all content that may be dropped; answers how many bytes that were. */
  | { readonly command: "evict" }
  /** Refuses to begin changes, as at the start of a shutdown. */
  | { readonly command: "drain" }
  /** Files of the content store that the daemon has open. */
  | { readonly command: "bodies" }
  /** Unmounts; everything below the session stays. */
  | { readonly command: "end" }
  /** Why the connection ended; waits for that. */
  | { readonly command: "closed" }
  | { readonly command: "stats" | "features" }
