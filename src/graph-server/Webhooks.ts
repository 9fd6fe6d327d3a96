/**
 * Subscriptions to change notifications by webhook (Microsoft Graph, subscription resource type): rows that survive the
 * process, and for each a fiber that posts to its URL within a second of a change. A receiver that does not answer is
 * asked again with growing waits; what changes meanwhile is one notification. Only this machine is ever posted to.
 */
import { randomUUID } from "node:crypto"
import { Clock, Context, Effect, FiberMap, Layer, Schedule } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { ApiError, attempt, invalidRequest, itemNotFound } from "./ApiError.ts"
import { timestamp } from "./DriveItemShape.ts"
import { Drives } from "./Drives.ts"
import { DriveStore } from "./DriveStore.ts"
import { Pushes } from "./Pushes.ts"
import { route } from "./Routing.ts"

export interface Webhook {
  readonly id: string
  /** As the client sent it: "/me/drive/root". */
  readonly resource: string
  readonly url: string
  readonly client_state: string | null
  /** Milliseconds since the epoch. */
  readonly expires: number
}

export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** Asks the receiver to prove itself first. 409 for one that exists, 400 when the receiver does not answer well. */
    create(wanted: Omit<Webhook, "id">): Effect.Effect<Webhook, ApiError>
    /** Those that have not expired. Throws what SQLite throws. */
    list(now: number): ReadonlyArray<Webhook>
    renew(id: string, expires: number): Effect.Effect<Webhook, ApiError>
    remove(id: string): Effect.Effect<void, ApiError>
  }
>()("onemount/graph-server/Webhooks") {
  static readonly layer = Layer.effect(
    Webhooks,
    Effect.gen(function* () {
      return yield* makeWebhooks(yield* DriveStore, yield* Drives, yield* HttpClient.HttpClient, yield* Pushes)
    })
  )
}

const maxWebhooks = 100
/** Milliseconds between looks at the log: one step in an index. */
const checkEvery = 200
/** How long a receiver may take to answer. */
const answerTime = "10 seconds"
/** After 1, 2, 4, ... seconds, for about four hours. */
const again = { schedule: Schedule.exponential("1 second"), times: 13 }

const makeWebhooks = Effect.fnUntraced(function* (
  { db }: DriveStore["Service"],
  drives: Drives["Service"],
  http: HttpClient.HttpClient,
  pushes: Pushes["Service"]
) {
  const insert = db.prepare("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?)")
  const byId = db.prepare<Webhook>("SELECT * FROM webhooks WHERE id = ? AND expires > ?")
  const all = db.prepare<Webhook>("SELECT * FROM webhooks WHERE expires > ? ORDER BY rowid")
  const renew = db.prepare("UPDATE webhooks SET expires = ? WHERE id = ?")
  const remove = db.prepare("DELETE FROM webhooks WHERE id = ?")
  const forget = db.prepare("DELETE FROM webhooks WHERE expires <= ?")
  const watchers = yield* FiberMap.make<string>()

  /** Throws 400 or 404 for what cannot be subscribed to. */
  const watched = (resource: string) => {
    const target = route(`/v1.0/${resource.replace(/^\/+/, "")}`)
    if (target._tag !== "Item" || target.resource !== "")
      throw invalidRequest("The resource has to be a folder of a drive.")
    const { model } = drives.require(target.drive)
    const { start, names } = target.address
    const first = start === "root" ? model.table.root() : model.require(model.tags.parse(start) ?? 0)
    const row = model.resolve(first, names)
    const isRoot = row.parent === null
    if (row.kind !== "folder" || (!isRoot && model.kind !== "personal")) {
      throw invalidRequest("Only the root of a drive can be subscribed to, and folders of personal drives.")
    }
    // A change below a folder is a change of the folder as well.
    return { newest: () => (isRoot ? model.table.lastChange() : (model.table.byId(row.id)?.change ?? 0)) }
  }

  const post = (request: HttpClientRequest.HttpClientRequest) => Effect.timeout(http.execute(request), answerTime)

  const prove = Effect.fnUntraced(function* (url: string) {
    const token = `Validation: ${randomUUID()}`
    const request = HttpClientRequest.post(url).pipe(HttpClientRequest.appendUrlParam("validationToken", token))
    const asked = Effect.flatMap(post(request), (response) => Effect.map(response.text, (text) => ({ response, text })))
    const { response, text } = yield* Effect.mapError(asked, ({ message }) =>
      refused(`Subscription validation request failed: ${message}`)
    )
    if (response.status !== 200 || text !== token) {
      return yield* refused(
        `Subscription validation request failed: the receiver has to answer 200 with the token, not ${response.status}.`
      )
    }
  })

  const notify = (hook: Webhook) => {
    const value = [
      {
        subscriptionId: hook.id,
        subscriptionExpirationDateTime: timestamp(hook.expires),
        changeType: "updated",
        resource: hook.resource.replace(/^\/+/, ""),
        tenantId: "",
        ...(hook.client_state === null ? {} : { clientState: hook.client_state })
      }
    ]
    const request = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(hook.url), { value })
    const sent = Effect.flatMap(post(request), ({ status }) =>
      status < 300 ? Effect.void : Effect.fail(refused(`The receiver answered ${status}.`))
    )
    return pushes.through("/push/webhook/event", Effect.retry(sent, again))
  }

  /** Ends with the subscription. */
  const watch = Effect.fnUntraced(function* (id: string, newest: () => number) {
    for (let seen = newest(); ;) {
      const now = yield* Clock.currentTimeMillis
      const hook = yield* attempt(() => byId.get(id, now))
      if (hook === undefined) return
      const latest = newest()
      if (latest > seen) {
        seen = latest
        yield* Effect.catch(notify(hook), (error) =>
          Effect.logInfo(`A webhook was not delivered to ${hook.url}`, error.message)
        )
      }
      yield* Effect.sleep(checkEvery)
    }
  })

  const start = (id: string, newest: () => number) =>
    FiberMap.run(
      watchers,
      id,
      Effect.catch(watch(id, newest), (error) => Effect.logWarning("A webhook is not served any more", error))
    )

  const resume = Effect.fnUntraced(function* (hook: Webhook) {
    const { newest } = yield* attempt(() => watched(hook.resource))
    yield* start(hook.id, newest)
  })
  for (const hook of all.all(yield* Clock.currentTimeMillis)) {
    yield* Effect.catch(resume(hook), (error) => Effect.logInfo(`The webhook ${hook.id} has lost its folder`, error))
  }

  const checkNew = ({ url, resource }: Omit<Webhook, "id">, now: number) => {
    forget.run(now)
    const known = all.all(now)
    if (known.some((hook) => hook.url === url && hook.resource === resource)) {
      const message = "A subscription of this resource to this URL exists."
      throw new ApiError({ status: 409, code: "ObjectIdentifierInUse", message })
    }
    if (known.length >= maxWebhooks) throw invalidRequest(`There can be ${maxWebhooks} subscriptions at most.`)
    return watched(resource)
  }

  return Webhooks.of({
    create: Effect.fn("Webhooks.create")(function* (wanted) {
      const now = yield* Clock.currentTimeMillis
      const { newest } = yield* attempt(() => checkNew(wanted, now))
      yield* prove(wanted.url)
      const hook = { id: randomUUID(), ...wanted }
      yield* attempt(() =>
        db.transaction(() => {
          checkNew(wanted, now)
          insert.run(hook.id, hook.resource, hook.url, hook.client_state, hook.expires)
        })
      )
      yield* start(hook.id, newest)
      return hook
    }),
    list: (now) => all.all(now),
    renew: Effect.fnUntraced(function* (id, expires) {
      const now = yield* Clock.currentTimeMillis
      return yield* attempt(() => {
        const hook = byId.get(id, now)
        if (hook === undefined) throw subscriptionNotFound()
        renew.run(expires, id)
        return { ...hook, expires }
      })
    }),
    remove: Effect.fnUntraced(function* (id) {
      yield* attempt(() => {
        if (remove.run(id).changes === 0) throw subscriptionNotFound()
      })
      yield* FiberMap.remove(watchers, id)
    })
  })
})

const refused = (message: string) => new ApiError({ status: 400, code: "ValidationError", message })

export const subscriptionNotFound = () => itemNotFound("The subscription could not be found.")
