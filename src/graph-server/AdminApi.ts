/**
 * /_admin: how a running drive is told to misbehave, and asked what happened. JSON over HTTP, for this machine only and
 * for the owner's token only. Its requests are in no log and meet no fault.
 *
 *     GET, PUT    /_admin/scenario   {"preset": "realistic", "seed": 1}, or a whole scenario
 *     GET, POST   /_admin/faults     {"fault": "lostReply", "method": "PUT", "path": "/v1.0/me/drive/root:/a", "skip": 2}
 *     DELETE      /_admin/faults     all of them, or /_admin/faults/lostReply those of one name
 *     GET, DELETE /_admin/requests   the newest of the request log
 *     GET         /_admin/counters   since the start: requests by status, bytes; hits of faults
 *     POST        /_admin/delta      {"expire": "resyncApplyDifferences"}
 *     PUT         /_admin/quota      {"total": 1000000}
 *     GET, POST   /_admin/drives     {"name": "Shared", "owner": "ada@example.org"}, or "site" for a library
 *     POST        /_admin/items      {"path": "/Notebook", "facet": "package"}, or "vault"
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { accessDenied, type ApiError, attempt, invalidRequest, itemNotFound, methodNotAllowed } from "./ApiError.ts"
import { type Call, empty, json, makeCall, readStrictJson } from "./Call.ts"
import { DriveAdmin } from "./DriveAdmin.ts"
import { driveIdentity, driveShape } from "./DriveItemShape.ts"
import { Drives } from "./Drives.ts"
import { secretEquals } from "./DriveStore.ts"
import { DriveTokens } from "./DriveTokens.ts"
import { type DriveRequest, type DriveResponse, resyncKinds } from "./Exchange.ts"
import { faultCatalogue, type FaultName, isFaultName } from "./faultCatalogue.ts"
import { withBytes, withSeconds } from "./faultParameters.ts"
import { type Fault, Faults, type InjectedFault } from "./Faults.ts"
import { RequestLog } from "./RequestLog.ts"
import { isPreset, presets, Scenario } from "./Scenario.ts"
import { Weather } from "./Weather.ts"

const prefix = "/_admin/"

export const isAdmin = (url: string): boolean => url.startsWith(prefix)

const Seed = Schema.optionalKey(Schema.Int)
const PresetBody = Schema.Struct({ preset: Schema.String, seed: Seed })
const ScenarioBody = Schema.Struct({ ...Scenario.fields, seed: Seed })
const Count = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e9 })))
const FaultBody = Schema.Struct({
  fault: Schema.String,
  method: Schema.optionalKey(Schema.String),
  /** Start of the raw path. */
  path: Schema.optionalKey(Schema.String.check(Schema.isStartingWith("/"))),
  /** Of what lasts or is told to wait. */
  seconds: Count,
  /** Where in a body, or in a session. */
  bytes: Count,
  skip: Count,
  times: Count,
  rate: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
})
const DeltaBody = Schema.Struct({ expire: Schema.Literals(resyncKinds) })
const QuotaBody = Schema.Struct({ total: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1e15 })) })

const DriveBody = Schema.Struct({
  name: Schema.NonEmptyString,
  owner: Schema.optionalKey(Schema.NonEmptyString),
  site: Schema.optionalKey(Schema.String),
  kind: Schema.optionalKey(Schema.Literals(["personal", "business"]))
})
const ItemBody = Schema.Struct({ path: Schema.String, facet: Schema.Literals(["package", "vault"]) })

export class AdminApi extends Context.Service<
  AdminApi,
  { handle(request: DriveRequest): Effect.Effect<DriveResponse> }
>()("onemount/graph-server/AdminApi") {
  static readonly layer = Layer.effect(
    AdminApi,
    Effect.gen(function* () {
      const services = {
        tokens: yield* DriveTokens,
        faults: yield* Faults,
        weather: yield* Weather,
        log: yield* RequestLog,
        admin: yield* DriveAdmin,
        drives: yield* Drives
      }
      const injected: Array<{ readonly name: string; readonly fault: InjectedFault }> = []
      return AdminApi.of({
        handle: Effect.fnUntraced(function* (request) {
          const call = makeCall(request, yield* Clock.currentTimeMillis)
          return yield* Effect.catch(answer({ ...services, injected }, call), (error) =>
            Effect.succeed(json(error.status, { error: { code: error.code, message: error.message } }))
          )
        })
      })
    })
  )
}

interface Parts {
  readonly tokens: DriveTokens["Service"]
  readonly faults: Faults["Service"]
  readonly weather: Weather["Service"]
  readonly log: RequestLog["Service"]
  readonly admin: DriveAdmin["Service"]
  readonly drives: Drives["Service"]
  readonly injected: Array<{ readonly name: string; readonly fault: InjectedFault }>
}

type Reply = Effect.Effect<DriveResponse, ApiError>

const answer = (parts: Parts, call: Call): Reply => {
  const { headers, isRemote } = call.request
  const token = /^bearer +(\S+)$/i.exec(headers["authorization"] ?? "")?.[1] ?? ""
  if (isRemote === true) return Effect.fail(accessDenied("The admin API is for this machine only."))
  if (!secretEquals(token, parts.tokens.token))
    return Effect.fail(accessDenied("The admin API needs the owner's token."))
  const [resource = "", name, ...more] = call.path.slice(prefix.length).split("/")
  if (name !== undefined) {
    if (resource !== "faults" || !isFaultName(name) || more.length > 0) return Effect.fail(itemNotFound())
    return call.request.method === "DELETE" ? cancelFaults(parts, name) : Effect.fail(methodNotAllowed())
  }
  const handlers = Object.hasOwn(resources, resource) ? resources[resource] : undefined
  if (handlers === undefined) return Effect.fail(itemNotFound())
  return handlers[call.request.method]?.(parts, call) ?? Effect.fail(methodNotAllowed())
}

const putScenario = Effect.fnUntraced(function* ({ weather }: Parts, call: Call) {
  const { seed, ...wanted } = yield* readStrictJson(call, Schema.Union([PresetBody, ScenarioBody]))
  if ("preset" in wanted && !isPreset(wanted.preset)) {
    return yield* invalidRequest(`There is no preset '${wanted.preset}'; there are ${Object.keys(presets).join(", ")}.`)
  }
  const scenario = "preset" in wanted ? (isPreset(wanted.preset) ? presets[wanted.preset] : presets.none) : wanted
  yield* weather.set(scenario, seed)
  return json(200, scenario)
})

const postFault = Effect.fnUntraced(function* ({ faults, injected }: Parts, call: Call) {
  const { fault: name, method, path, seconds, bytes, ...limits } = yield* readStrictJson(call, FaultBody)
  if (!isFaultName(name)) {
    return yield* invalidRequest(`There is no fault '${name}'; there are ${Object.keys(faultCatalogue).join(", ")}.`)
  }
  const named = yield* parametrised(name, seconds, bytes)
  const own = ownMatch(name)
  const matches = (url: string): boolean => (own?.test(url) ?? true) && (path === undefined || url.startsWith(path))
  // A fault with a rate goes on until it is taken back.
  const endless = limits.rate === undefined ? {} : { times: Number.MAX_SAFE_INTEGER }
  const fault = yield* faults.inject({
    ...named,
    name,
    ...(method === undefined ? {} : { method: method.toUpperCase() }),
    ...endless,
    ...limits,
    matches
  })
  injected.push({ name, fault })
  return json(201, { fault: name })
})

const ownMatch = (name: FaultName): RegExp | undefined => {
  const named = faultCatalogue[name]
  return "matches" in named ? named.matches : undefined
}

const parametrised = Effect.fnUntraced(function* (name: FaultName, seconds?: number, bytes?: number) {
  const named: Fault = faultCatalogue[name]
  const timed = seconds === undefined ? named : withSeconds(named, seconds)
  if (timed === undefined) return yield* invalidRequest(`The fault '${name}' has no 'seconds'.`)
  const placed = bytes === undefined ? timed : withBytes(timed, bytes)
  if (placed === undefined) return yield* invalidRequest(`The fault '${name}' has no 'bytes'.`)
  return placed
})

const cancelFaults = Effect.fnUntraced(function* ({ injected }: Parts, name: FaultName) {
  const cancelled = injected.filter((entry) => entry.name === name)
  yield* Effect.forEach(cancelled, ({ fault }) => fault.cancel, { discard: true })
  const others = injected.filter((entry) => entry.name !== name)
  injected.splice(0, injected.length, ...others)
  return empty(204)
})

const postDrive = Effect.fnUntraced(function* ({ drives }: Parts, call: Call) {
  const { kind, ...label } = yield* readStrictJson(call, DriveBody)
  const add = drives.add({ label, ...(kind === undefined ? {} : { kind }) })
  const { driveId } = yield* Effect.catchTag(add, "DriveFolderError", ({ message }) =>
    Effect.fail(invalidRequest(message))
  )
  return json(201, { id: driveId, ...label })
})

const hitsOf = ({ injected }: Parts) =>
  Effect.forEach(injected, ({ name, fault }) => Effect.map(fault.hits, (hits) => ({ fault: name, hits })))

const counters = Effect.fnUntraced(function* (parts: Parts) {
  return json(200, { ...(yield* parts.log.counters), faults: yield* hitsOf(parts) })
})

const resources: Readonly<Record<string, Readonly<Record<string, (parts: Parts, call: Call) => Reply>>>> = {
  scenario: {
    GET: ({ weather }) => Effect.map(weather.current, (scenario) => json(200, { ...scenario, presets })),
    PUT: putScenario
  },
  faults: {
    GET: (parts) =>
      Effect.map(hitsOf(parts), (injected) => json(200, { injected, catalogue: Object.keys(faultCatalogue) })),
    POST: postFault,
    DELETE: ({ faults, injected }) =>
      Effect.map(faults.clear, () => {
        injected.splice(0)
        return empty(204)
      })
  },
  requests: {
    GET: ({ log }) => Effect.map(log.entries, (value) => json(200, { value: value.slice(-1000) })),
    DELETE: ({ log }) => Effect.as(log.clear, empty(204))
  },
  counters: { GET: counters },
  delta: {
    POST: ({ admin }, call) =>
      readStrictJson(call, DeltaBody).pipe(
        Effect.flatMap(({ expire }) => admin.expireDeltaTokens(expire)),
        Effect.as(empty(204))
      )
  },
  drives: {
    GET: ({ drives }, { request }) =>
      attempt(() => {
        const open = drives.list().map(({ model }) => ({ ...driveShape(model, request.origin), ...model.label }))
        const closed = drives.closed().map(({ known, error }) => ({
          ...(known === undefined ? {} : { ...driveIdentity(known), ...known.label }),
          error: error.message
        }))
        return json(200, { value: [...open, ...closed] })
      }),
    POST: postDrive
  },
  items: {
    POST: ({ admin }, call) =>
      readStrictJson(call, ItemBody).pipe(
        Effect.flatMap(({ path, facet }) => admin.createMarker(path, facet)),
        Effect.map(({ id }) => json(201, { id }))
      )
  },
  quota: {
    PUT: ({ admin }, call) =>
      readStrictJson(call, QuotaBody).pipe(
        Effect.flatMap(({ total }) => admin.setQuota(total)),
        Effect.as(empty(204))
      )
  }
}
