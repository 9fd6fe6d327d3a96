/** The Graph client over HTTP: which request each method is. How requests fare is Transport's business. */
import { Effect, Layer, Option, Result, Stream } from "effect"
import { HttpBody, type HttpClient, HttpClientRequest } from "effect/http"
import type { Auth } from "./Auth.ts"
import type { DriveItem, ItemId } from "./DriveItem.ts"
import { makeDownload } from "./download.ts"
import { makeDownloadUrls } from "./DownloadUrls.ts"
import { graphError, type Refusal } from "./failures.ts"
import { type DeltaPage, GraphClient } from "./GraphClient.ts"
import { type GraphErrorReason, ResyncRequired } from "./GraphError.ts"
import { isPathSafe, makePaths, originOf } from "./paths.ts"
import { type Call, makeTransport, type Transport } from "./Transport.ts"
import { checkName, makeUploads } from "./uploads.ts"
import {
  type Decoder,
  decodeDrive,
  decodeItem,
  decodePage,
  decodeUser,
  encodeFileSystemInfo,
  type ItemPage
} from "./wire.ts"

type Client = GraphClient["Service"]

const ifMatch = (tag: string | null) => (tag === null ? {} : { "if-match": tag })

/** An authorized read of JSON. */
const read = (operation: string, url: string): Call => ({
  operation,
  kind: "read",
  request: HttpClientRequest.get(url, { acceptJson: true }),
  authorized: true
})

const mutation = (operation: string, request: HttpClientRequest.HttpClientRequest): Call => ({
  operation,
  kind: "mutation",
  request: HttpClientRequest.acceptJson(request),
  authorized: true
})

/** Our token goes with the link, so it must lead to where the token belongs. */
const sameOrigin =
  (baseUrl: string): Decoder<ItemPage> =>
  (json) =>
    Result.flatMap(decodePage(json), (page) => {
      const foreign = [page.nextLink, page.deltaLink].some(
        (link) => link !== null && originOf(link) !== originOf(baseUrl)
      )
      return foreign
        ? Result.fail("@odata.nextLink or deltaLink: Expected a link of the Graph's own origin")
        : Result.succeed(page)
    })

const makeListing = (transport: Transport, paths: ReturnType<typeof makePaths>): Pick<Client, "children" | "delta"> => {
  const { baseUrl, limits } = transport.config
  const decode = sameOrigin(baseUrl)
  const isOwn = (link: string) => originOf(link) === originOf(baseUrl)

  const resync = (refusal: Refusal): GraphErrorReason | undefined => {
    if (refusal.status !== 410) return undefined
    const uploads = refusal.codes.some((code) => /^resync(Changes)?UploadDifferences$/.test(code))
    const location = refusal.location !== null && isOwn(refusal.location) ? refusal.location : null
    return new ResyncRequired({ kind: uploads ? "uploadDifferences" : "applyDifferences", location })
  }

  const toDeltaPage: Decoder<DeltaPage> = (json) =>
    Result.flatMap(decode(json), ({ deltaLink, items, nextLink }): Result.Result<DeltaPage, string> => {
      if (nextLink !== null) return Result.succeed({ items, caughtUp: false, link: nextLink })
      if (deltaLink !== null) return Result.succeed({ items, caughtUp: true, link: deltaLink })
      return Result.fail("@odata.deltaLink: Missing key")
    })

  return {
    children: (parent) =>
      Stream.paginate(`${paths.children(parent)}?$top=${limits.pageSize}`, (url) =>
        Effect.map(
          transport.call(read("children", url), decode),
          (page) => [page.items, Option.fromNullishOr(page.nextLink)] as const
        )
      ),
    delta: Effect.fn("GraphClient.delta")(function* (link) {
      // A cursor of another server enumerates nothing here.
      if (link !== null && !isOwn(link)) {
        return yield* graphError("delta", new ResyncRequired({ kind: "applyDifferences", location: null }))
      }
      return yield* transport.call({ ...read("delta", link ?? paths.delta), refine: resync }, toDeltaPage)
    })
  }
}

const makeItems = (
  transport: Transport,
  paths: ReturnType<typeof makePaths>
): Pick<Client, "me" | "drive" | "root" | "item" | "child" | "createFolder" | "update" | "delete"> => ({
  me: transport.call(read("me", paths.me), decodeUser).pipe(Effect.withSpan("GraphClient.me")),
  drive: transport.call(read("drive", paths.drive), decodeDrive).pipe(Effect.withSpan("GraphClient.drive")),
  root: transport.call(read("root", paths.root), decodeItem).pipe(Effect.withSpan("GraphClient.root")),

  item: Effect.fn("GraphClient.item")((id: ItemId) => transport.call(read("item", paths.item(id)), decodeItem)),

  child: Effect.fn("GraphClient.child")(function* (parent: ItemId, name: string) {
    if (!isPathSafe(name)) return Option.none<DriveItem>()
    return yield* transport.call(read("child", paths.child(parent, name)), decodeItem).pipe(
      Effect.asSome,
      Effect.catchReason("GraphError", "NotFound", () => Effect.succeed(Option.none<DriveItem>()))
    )
  }),

  createFolder: Effect.fn("GraphClient.createFolder")(function* (parent, name, fileSystemInfo) {
    yield* checkName("createFolder", name)
    const body = HttpBody.jsonUnsafe({
      name,
      folder: {},
      "@microsoft.graph.conflictBehavior": "fail",
      ...(fileSystemInfo === null ? {} : { fileSystemInfo: encodeFileSystemInfo(fileSystemInfo) })
    })
    const request = HttpClientRequest.post(paths.children(parent), { body })
    return yield* transport.call(mutation("createFolder", request), decodeItem)
  }),

  update: Effect.fn("GraphClient.update")(function* (id, patch, tag) {
    if (patch.name !== undefined) yield* checkName("update", patch.name)
    const body = HttpBody.jsonUnsafe({
      ...(patch.name === undefined ? {} : { name: patch.name }),
      ...(patch.parent === undefined ? {} : { parentReference: { id: patch.parent } }),
      ...(patch.fileSystemInfo === undefined ? {} : { fileSystemInfo: encodeFileSystemInfo(patch.fileSystemInfo) })
    })
    const request = HttpClientRequest.patch(paths.item(id), { headers: ifMatch(tag), body })
    return yield* transport.call(mutation("update", request), decodeItem)
  }),

  delete: Effect.fn("GraphClient.delete")(function* (id, tag) {
    const request = HttpClientRequest.delete(paths.item(id), { headers: ifMatch(tag) })
    yield* transport
      .answer(mutation("delete", request), () => Result.void)
      .pipe(Effect.catchReason("GraphError", "NotFound", () => Effect.void))
  })
})

/** Settings come from the GraphConfig reference in the context. */
export const layerGraphClient: Layer.Layer<GraphClient, never, HttpClient.HttpClient | Auth> = Layer.effect(
  GraphClient,
  Effect.gen(function* () {
    const transport = yield* makeTransport
    const paths = makePaths(transport.config)
    const download = makeDownload(transport, makeDownloadUrls(transport, paths))
    return GraphClient.of({
      ...makeItems(transport, paths),
      ...makeListing(transport, paths),
      ...makeUploads(transport, paths),
      download
    })
  })
)
