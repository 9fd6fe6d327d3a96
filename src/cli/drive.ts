/** `onemount drive`: somebody else changes a served drive. */
import { readFileSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Console, Effect, FileSystem, Option } from "effect"
import * as GraphServer from "../graph-server/GraphServer.ts"
import { failure } from "./exit.ts"
import { absolute } from "./settings.ts"

/** Which drive: `url` of its server, `dir` with its token, and the id of a further one. */
export interface DriveOptions {
  readonly url: string
  readonly dir: string
  readonly drive: Option.Option<string>
}

/** `what` is done to: the start of what is said when the drive refuses it. */
const withClient = <A, R>(
  { url, dir, drive }: DriveOptions,
  what: string,
  use: (client: GraphServer.SecondClient) => Effect.Effect<A, GraphServer.SecondClientError, R>
) =>
  Effect.gen(function* () {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
      return yield* failure("usage", `--url is ${url} and has to be what \`onemount serve\` printed: http://HOST:PORT`)
    }
    const path = join(absolute(dir), "token")
    const token = yield* Effect.try({
      try: () => readFileSync(path, "utf8").trim(),
      catch: () => failure("signIn", `there is no token in ${path}: --dir has to be the folder of the served drive`)
    })
    const client = yield* GraphServer.makeSecondClient(`${url.replace(/\/+$/, "")}/v1.0`, token, {
      drive: Option.getOrUndefined(drive)
    })
    return yield* use(client)
  }).pipe(
    Effect.catchTag("SecondClientError", ({ message, code }) =>
      Effect.fail(code === "unanswered" ? failure("noMount", message) : failure("failed", `${what}: ${message}`))
    ),
    Effect.provide([NodeHttpClient.layerUndici, NodeFileSystem.layer])
  )

/** `onemount drive ls`: size in bytes, time of the last change and name, a line each. */
export const listCommand = Effect.fn("cli.drive.ls")(function* (options: DriveOptions & { readonly path: string }) {
  const items = yield* withClient(options, options.path, (client) => client.list(options.path))
  for (const { name, size, folder, lastModifiedDateTime } of items) {
    yield* Console.log(
      `${String(size).padStart(12)}  ${lastModifiedDateTime}  ${name}${folder === undefined ? "" : "/"}`
    )
  }
})

/** `onemount drive put`: streams a file of this machine to the drive. */
export const putCommand = Effect.fn("cli.drive.put")(function* (
  options: DriveOptions & { readonly file: string; readonly path: string }
) {
  const { file, path } = options
  const info = yield* Effect.try({
    try: () => statSync(file),
    catch: () => failure("usage", `${file} cannot be read`)
  })
  if (!info.isFile()) return yield* failure("usage", `${file} is not a file`)
  const target = path.endsWith("/") ? path + basename(file) : path
  yield* withClient(options, target, (client) =>
    Effect.gen(function* () {
      const content = (yield* FileSystem.FileSystem).stream(file)
      yield* client.put(target, content, info.size)
    })
  )
})

/** `onemount drive mv`. */
export const moveCommand = (options: DriveOptions & { readonly from: string; readonly to: string }) =>
  withClient(options, `${options.from} to ${options.to}`, (client) => client.move(options.from, options.to))

/** `onemount drive rm`. */
export const removeCommand = (options: DriveOptions & { readonly path: string }) =>
  withClient(options, options.path, (client) => client.remove(options.path))
