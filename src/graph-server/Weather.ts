/**
 * The scenario at work: waits, paces bodies, refuses what is too much (Throttle), and shows late changes later.
 * Everything random comes from one seed, drawn in the order of requests. Waits run on the caller's clock.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import type { ConnectionCut, DriveRequest, DriveResponse, HeaderRecord } from "./Exchange.ts"
import { mix } from "./mix.ts"
import { presets, type Scenario } from "./Scenario.ts"
import { makeThrottle } from "./Throttle.ts"

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
  let throttle = makeThrottle(null, 0)

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

  /** What the drive sees of the request: its body in its own time, and of late changes perhaps nothing. */
  const dim = (request: DriveRequest): DriveRequest => {
    const { uploadRate, visibility = 0 } = scenario
    const counted = Stream.tap(request.body, (chunk) => Effect.sync(() => throttle.carry(chunk.length)))
    const body = uploadRate === 0 ? counted : paced(counted, uploadRate)
    if (visibility === 0 || !request.url.includes("/delta")) return { ...request, body }
    return { ...request, body, quirks: { ...request.quirks, lag: Math.round(random() * visibility) } }
  }

  return Weather.of({
    current: Effect.sync(() => scenario),
    set: (next, seed) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        scenario = next
        if (seed !== undefined) state = seed >>> 0
        throttle = makeThrottle(next.throttle, now)
      }),
    random,
    around: Effect.fnUntraced(function* (request, answer) {
      const spent = throttle.spend(costOf(request), isTransfer(request.url), yield* Clock.currentTimeMillis)
      if (isReply(spent)) return spent
      const wait = waitOf(request)
      if (wait > 0) yield* Effect.sleep(wait)
      const { downloadRate } = scenario
      const response = yield* answer(dim(request))
      const headers = { ...response.headers, ...spent }
      const { body } = response
      if (body instanceof Uint8Array) {
        throttle.carry(body.length)
        return { ...response, headers }
      }
      const counted = Stream.tap(body, (chunk) => Effect.sync(() => throttle.carry(chunk.length)))
      return { ...response, headers, body: downloadRate === 0 ? counted : paced(counted, downloadRate) }
    })
  })
}

const isReply = (spent: DriveResponse | HeaderRecord): spent is DriveResponse => "body" in spent

const paced = <E>(body: Stream.Stream<Uint8Array, E>, rate: number): Stream.Stream<Uint8Array, E> =>
  Stream.tap(body, (chunk) => Effect.sleep((chunk.length / rate) * 1000))
