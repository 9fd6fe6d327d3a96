/**
 * The hashes of a content, made while its bytes come by: quickXorHash on every drive, and on personal ones what
 * driveItem's `hashes` has besides (Microsoft Graph, hashes resource type).
 */
import { createHash, type Hash } from "node:crypto"
import { QuickXorHash } from "../platform/QuickXorHash.ts"
import type { DriveSettings } from "./DriveSettings.ts"
import type { DriveKind } from "./ItemTags.ts"

/** As node:crypto names them. */
export type DigestName = "sha256" | "sha1"

/** In upper-case hex; null where there is none. */
export type Digests = Readonly<Record<DigestName, string | null>>

/** What a drive of this kind makes besides quickXorHash. */
export const digestNames = (kind: DriveKind, { sha1Hash }: DriveSettings): ReadonlyArray<DigestName> => {
  if (kind === "business") return []
  return sha1Hash ? ["sha256", "sha1"] : ["sha256"]
}

type Running = Readonly<Partial<Record<DigestName, Hash>>>

/** quickXorHash and the named digests of one content, side by side. */
export class ContentHash {
  readonly #quickXor: QuickXorHash
  readonly #running: Running

  private constructor(quickXor: QuickXorHash, running: Running) {
    this.#quickXor = quickXor
    this.#running = running
  }

  static readonly make = (names: ReadonlyArray<DigestName>): ContentHash =>
    new ContentHash(new QuickXorHash(), Object.fromEntries(names.map((name) => [name, createHash(name)])))

  /** Bytes seen so far. */
  get length(): number {
    return this.#quickXor.length
  }

  /** Adds the next bytes of the content; chunks may be of any size. */
  update(bytes: Uint8Array): this {
    this.#quickXor.update(bytes)
    for (const hash of Object.values(this.#running)) hash.update(bytes)
    return this
  }

  /** An independent hash of the same bytes so far. */
  clone(): ContentHash {
    const { sha256, sha1 } = this.#running
    return new ContentHash(this.#quickXor.clone(), {
      ...(sha256 === undefined ? {} : { sha256: sha256.copy() }),
      ...(sha1 === undefined ? {} : { sha1: sha1.copy() })
    })
  }

  /** quickXorHash of everything so far, base64; more may be added afterwards. */
  quickXor(): string {
    return this.#quickXor.digestBase64()
  }

  /** The others. Of an empty content the service shows none. */
  digests(): Digests {
    const { sha256, sha1 } = this.#running
    return { sha256: this.#hex(sha256), sha1: this.#hex(sha1) }
  }

  #hex(hash: Hash | undefined): string | null {
    return hash === undefined || this.length === 0 ? null : hash.copy().digest("hex").toUpperCase()
  }
}
