/**
 * The scenario at work: waits, paces bodies, and counts resource units in a token bucket that refills by the second.
 * Everything random comes from one seed, drawn in the order of requests. Waits run on the caller's clock.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { json } from "./Call.ts"
import type { ConnectionCut, DriveRequest, DriveResponse, HeaderRecord } from "./Exchange.ts"
import { mix } from "./mix.ts"
import { presets, type Scenario } from "./Scenario.ts"

export class Weather extends Context.Service<
  Weather,
  {
    readonly current: Effect.Effect<Scenario>
    /** From the next request on; a seed starts the random numbers again. */
    set(scenario: Scenario, seed?: number): Effect.Effect<void>
    /** A number from 0 to 1, the next from the seed. */
    random(): number
    /** Lets a request through after its wait, its body paced; a refusal comes at once and costs nothing. */
    around(
      request: DriveRequest,
      answer: (request: DriveRequest) => Effect.Effect<DriveResponse, ConnectionCut>
    ): Effect.Effect<DriveResponse, ConnectionCut>
  }
>()("onemount/graph-server/Weather") {
  static readonly layer = Layer.sync(Weather, () => makeWeather())
}

/** Resource units of a request: reading one thing 1, listing or changing 2, permissions 5. Transfers to URLs are free. */
const costOf = ({ method, url }: DriveRequest): number => {
  if (!url.startsWith("/v1.0/")) return 0
  if (/\/permissions|expand=[^&]*permissions/.test(url)) return 5
  if (method !== "GET" || /\/children|\/search/.test(url) || (url.includes("/delta") && !url.includes("token=")))
    return 2
  return 1
}

const isTransfer = (url: string): boolean => url.startsWith("/transfer/") || /\/content(\?|$)/.test(url)

const makeWeather = (): Weather["Service"] => {
  let scenario: Scenario = presets.none
  let state = 1
  let bucket = { units: 0, at: 0 }

  const random = (): number => mix((state = (state + 0x9e3779b9) >>> 0)) / 2 ** 32

  /** Log-normal by Box and Muller: 1.645 standard deviations above the median is the 95th percentile. */
  const draw = ({ median, p95 }: Scenario["metadata"]): number => {
    if (median === 0) return 0
    const normal = Math.sqrt(-2 * Math.log(Math.max(random(), 1e-12))) * Math.cos(2 * Math.PI * random())
    return Math.round(median * Math.exp((Math.log(Math.max(p95, median) / median) / 1.645) * normal))
  }

  const waitOf = ({ url }: DriveRequest): number => {
    if (isTransfer(url)) return draw(scenario.transfer)
    const enumerates = url.includes("/delta") && !url.includes("token=latest")
    const items = enumerates ? Number(/top=(\d+)/.exec(url)?.[1] ?? 200) : 0
    return draw(scenario.metadata) + items * scenario.enumerationPerItem
  }

  const spend = (request: DriveRequest, now: number): DriveResponse | HeaderRecord => {
    const { throttle } = scenario
    const cost = costOf(request)
    if (throttle === null || cost === 0) return {}
    const limit = throttle.unitsPerMinute
    const refilled = Math.min(limit, bucket.units + ((now - bucket.at) / 60_000) * limit)
    bucket = { units: refilled, at: now }
    const reset = String(Math.ceil(((limit - refilled) / limit) * 60))
    const rate = (left: number): HeaderRecord => ({
      "ratelimit-limit": String(limit),
      "ratelimit-remaining": String(Math.floor(left)),
      "ratelimit-reset": reset
    })
    if (refilled < cost) {
      const wait: HeaderRecord = throttle.retryAfter === 0 ? {} : { "retry-after": String(throttle.retryAfter) }
      return throttled({ ...rate(0), ...wait })
    }
    bucket = { units: refilled - cost, at: now }
    return bucket.units <= limit * 0.2 ? rate(bucket.units) : {}
  }

  return Weather.of({
    current: Effect.sync(() => scenario),
    set: (next, seed) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        scenario = next
        if (seed !== undefined) state = seed >>> 0
        bucket = { units: next.throttle?.unitsPerMinute ?? 0, at: now }
      }),
    random,
    around: Effect.fnUntraced(function* (request, answer) {
      const spent = spend(request, yield* Clock.currentTimeMillis)
      if (isReply(spent)) return spent
      const wait = waitOf(request)
      if (wait > 0) yield* Effect.sleep(wait)
      const { uploadRate, downloadRate } = scenario
      const response = yield* answer(uploadRate === 0 ? request : { ...request, body: paced(request.body, uploadRate) })
      const headers = { ...response.headers, ...spent }
      const { body } = response
      if (downloadRate === 0 || body instanceof Uint8Array) return { ...response, headers }
      return { ...response, headers, body: paced(body, downloadRate) }
    })
  })
}

const isReply = (spent: DriveResponse | HeaderRecord): spent is DriveResponse => "body" in spent

const throttled = (headers: HeaderRecord): DriveResponse =>
  json(
    429,
    {
      error: {
        code: "activityLimitReached",
        message: "The app or user has been throttled.",
        innerError: { code: "throttledRequest" }
      }
    },
    headers
  )

const paced = <E>(body: Stream.Stream<Uint8Array, E>, rate: number): Stream.Stream<Uint8Array, E> =>
  Stream.tap(body, (chunk) => Effect.sleep((chunk.length / rate) * 1000))
