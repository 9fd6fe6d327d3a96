/** The drive's own certificate authority, in DIR/tls, and the certificate its TLS face shows. */
import { Clock, Context, Effect, FileSystem, Layer } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { issueCertificate, type KeyedCertificate, makeAuthority } from "./Certificates.ts"
import { DriveStore } from "./DriveStore.ts"

/** What unmodified clients believe they talk to; whoever trusts the authority accepts us under these names. */
export const certifiedHosts = [
  "graph.microsoft.com",
  "login.microsoftonline.com",
  "login.live.com",
  "graph.embedded.invalid",
  "localhost",
  "127.0.0.1"
] as const

export class DriveCertificates extends Context.Service<
  DriveCertificates,
  {
    /** The authority's certificate, PEM: what a client has to trust. Made when it is first asked for. */
    readonly authorityFile: string
    /** A certificate for `certifiedHosts`, new for each call, so that it never expires in the middle of a run. */
    readonly issue: Effect.Effect<KeyedCertificate, PlatformError>
  }
>()("onemount/graph-server/DriveCertificates") {
  static readonly layer = Layer.effect(
    DriveCertificates,
    Effect.gen(function* () {
      const { dir } = yield* DriveStore
      const fs = yield* FileSystem.FileSystem
      const folder = `${dir}/tls`
      const files = { certificate: `${folder}/ca.crt`, key: `${folder}/ca.key` }

      const read = (path: string) =>
        Effect.flatMap(fs.exists(path), (exists) => (exists ? fs.readFileString(path) : Effect.succeed("")))

      /** There whole or not at all, whenever the process is killed. */
      const write = (path: string, text: string, mode: number) =>
        Effect.andThen(fs.writeFileString(`${path}.new`, text, { mode }), fs.rename(`${path}.new`, path))

      const authority = Effect.gen(function* () {
        const known = { certificate: yield* read(files.certificate), key: yield* read(files.key) }
        if (known.certificate !== "" && known.key !== "") return known
        const made = makeAuthority(yield* Clock.currentTimeMillis)
        yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
        yield* write(files.key, made.key, 0o600)
        yield* write(files.certificate, made.certificate, 0o644)
        return made
      })

      return DriveCertificates.of({
        authorityFile: files.certificate,
        issue: Effect.gen(function* () {
          return issueCertificate(yield* authority, certifiedHosts, yield* Clock.currentTimeMillis)
        })
      })
    })
  )
}
