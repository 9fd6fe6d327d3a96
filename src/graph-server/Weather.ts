/**
 * The scenario at work: waits, paces bodies, refuses what is too much (Throttle), and shows late changes later.
 * Everything random comes from one seed, drawn in the order of requests. Waits run on the caller's clock.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { enumerates } from "./DeltaToken.ts"
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

/**
 * Resource units of a request: reading one thing 1, listing or changing 2, permissions 5. Transfers to URLs are free; of a
 * batch, each part costs what it would cost alone.
 */
const costOf = ({ method, url }: DriveRequest): number => {
  if (!/^\/v1\.0\/(?!(\$|%24)batch)/.test(url)) return 0
  if (/\/(permissions|createLink|invite)(\/|\?|$)|expand=[^&]*permissions/.test(url)) return 5
  if (method !== "GET" || /\/children(\?|$)|\/search\(/.test(url)) return 2
  return isDelta(url) && !url.includes("token=") ? 2 : 1
}

const isDelta = (url: string): boolean => /\/delta(\(|\?|$)/.test(url)

const tokenOf = (url: string): string | undefined => /[?&(]token='?([^'&)]*)/.exec(url)?.[1]

const isTransfer = (url: string): boolean => url.startsWith("/transfer/") || /\/content(\?|$)/.test(url)

const makeWeather = (): Weather["Service"] => {
  let scenario: Scenario = presets.none
  let state = 1
  let throttle = makeThrottle(null, 0)
  /** When the line that all connections share has carried what was given to it so far. */
  let lineFreeAt = 0

  const random = (): number => mix((state = (state + 0x9e3779b9) >>> 0)) / 2 ** 32

  const draw = (latency: Scenario["metadata"]): number => {
    if (latency.median === 0) return 0
    const normal = Math.sqrt(-2 * Math.log(Math.max(random(), 1e-12))) * Math.cos(2 * Math.PI * random())
    return latencyAt(latency, normal)
  }

  const waitOf = ({ url }: DriveRequest): number => {
    if (isTransfer(url)) return draw(scenario.transfer)
    const items = isDelta(url) && enumerates(tokenOf(url)) ? Number(/top=(\d+)/.exec(url)?.[1] ?? 200) : 0
    return draw(scenario.metadata) + items * scenario.enumerationPerItem
  }

  /** Takes as long as the bytes take on their own connection, or behind what others send. */
  const travel = (length: number, rate: number): Effect.Effect<void> => {
    const { totalRate = 0 } = scenario
    if (rate === 0 && totalRate === 0) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (totalRate > 0) lineFreeAt = Math.max(lineFreeAt, now) + (length / totalRate) * 1000
      return Effect.sleep(Math.max(rate === 0 ? 0 : (length / rate) * 1000, lineFreeAt - now))
    })
  }

  const carried = <E>(body: Stream.Stream<Uint8Array, E>, rate: number): Stream.Stream<Uint8Array, E> =>
    Stream.tap(body, ({ length }) => {
      throttle.carry(length)
      return travel(length, rate)
    })

  /** What the drive sees of the request: its body in its own time, and of late changes perhaps nothing. */
  const dim = (request: DriveRequest): DriveRequest => {
    const { uploadRate, visibility = 0 } = scenario
    const body = carried(request.body, uploadRate)
    if (visibility === 0 || !isDelta(request.url)) return { ...request, body }
    return { ...request, body, quirks: { ...request.quirks, lag: Math.round(random() * visibility) } }
  }

  return Weather.of({
    current: Effect.sync(() => scenario),
    set: (next, seed) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        scenario = next
        if (seed !== undefined) state = seed >>> 0
        throttle = makeThrottle(next.throttle, now)
        lineFreeAt = 0
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
      return { ...response, headers, body: carried(body, downloadRate) }
    })
  })
}

/** Standard deviations above the median of the 95th and 99th percentile, and of the 99.9th, where the long tail ends. */
const [at95, at99, at999] = [1.645, 2.326, 3.09]

const latencyAt = ({ median, p95, p99 }: Scenario["metadata"], normal: number): number => {
  const high = Math.max(p95, median)
  if (p99 === undefined || normal <= at95) return Math.round(median * (high / median) ** (normal / at95))
  const beyond = (Math.min(normal, at999) - at95) / (at99 - at95)
  return Math.round(high * (Math.max(p99, high) / high) ** beyond)
}

const isReply = (spent: DriveResponse | HeaderRecord): spent is DriveResponse => "body" in spent
