/**
 * An HTTP proxy between a mount and its server that misbehaves as it is told: answers nonsense, cuts, delays, lies about
 * ranges, loses replies. It forwards the Host header, so that download and upload URLs lead back through it.
 */
import { once } from "node:events"
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type Server,
  type ServerResponse
} from "node:http"

/** A server's whole answer, kept to be spoiled. */
interface Answer {
  readonly status: number
  readonly headers: Record<string, string | ReadonlyArray<string> | undefined>
  readonly body: Buffer
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Asks the server; `headers` replace those of the client (undefined leaves one out). */
  readonly forward: (headers?: Record<string, string | undefined>) => Promise<Answer>
}

/** What happens to an exchange in place of passing it on. */
export type Misbehaviour = (exchange: Exchange) => Promise<void> | void

export interface Rule {
  readonly how: Misbehaviour
  /** HTTP methods; all without it. */
  readonly methods?: ReadonlyArray<string>
  /** Of path and query; all without it. */
  readonly matches?: RegExp
  /** Applied so often at most. */
  readonly times?: number
}

const send = ({ response }: Exchange, { body, headers, status }: Answer): void => {
  const { "transfer-encoding": _, connection: __, ...kept } = headers
  response.writeHead(status, { ...kept, "content-length": body.length } as OutgoingHttpHeaders)
  response.end(body)
}

const half = (body: Buffer): Buffer => body.subarray(0, Math.floor(body.length / 2))

/** A status with Graph's error shape. */
export const status =
  (code: number, headers: Record<string, string> = {}): Misbehaviour =>
  ({ response }) => {
    response.writeHead(code, { "content-type": "application/json", ...headers })
    response.end(JSON.stringify({ error: { code: "misbehaving", message: "as told" } }))
  }

/** A captive portal's page. */
export const html: Misbehaviour = ({ response }) => {
  response.writeHead(200, { "content-type": "text/html" })
  response.end("<html><body>Please sign in to the hotel's network</body></html>")
}

/** Half of the answer, which says that it is all. */
export const truncated: Misbehaviour = async (exchange) => {
  const answer = await exchange.forward()
  send(exchange, { ...answer, body: half(answer.body) })
}

/** The right length is promised and the last of it does not come. */
export const cut: Misbehaviour = async ({ forward, response }) => {
  const { body, headers, status: code } = await forward()
  response.writeHead(code, { ...headers, "content-length": body.length } as OutgoingHttpHeaders)
  response.write(body.subarray(0, Math.floor((body.length / 64) * 63)), () => response.destroy())
}

/** As many bytes as there should be, one of them wrong. */
export const wrongByte: Misbehaviour = async (exchange) => {
  const answer = await exchange.forward()
  const body = Buffer.from(answer.body)
  if (body.length > 0) body[body.length >> 1]! ^= 1
  send(exchange, { ...answer, body })
}

/** Says that the bytes are from somewhere else. */
export const wrongRange: Misbehaviour = async (exchange) => {
  const answer = await exchange.forward()
  const total = answer.body.length * 3
  const headers = { ...answer.headers, "content-range": `bytes 1-${answer.body.length}/${total}` }
  send(exchange, { ...answer, status: 206, headers })
}

/** All of the content where a range was asked for. */
export const ignoresRange: Misbehaviour = async (exchange) =>
  send(exchange, await exchange.forward({ range: undefined }))

/** The server acts, and nobody hears of it. */
export const losesReply: Misbehaviour = async ({ forward, response }) => {
  await forward()
  response.destroy()
}

/** Silence; ends with the client's patience. */
export const silent: Misbehaviour = () => undefined

export class BadProxy {
  readonly url: string
  readonly #server: Server
  readonly #target: URL
  #rules: Array<Rule & { left: number }> = []
  #hits = 0
  #waiting: Array<{ readonly hits: number; readonly resolve: () => void }> = []

  private constructor(server: Server, target: URL, port: number) {
    this.url = `http://127.0.0.1:${port}`
    this.#server = server
    this.#target = target
  }

  static async open(target: string): Promise<BadProxy> {
    const server = createServer({ keepAliveTimeout: 1000 })
    await once(server.listen(0, "127.0.0.1"), "listening")
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const proxy = new BadProxy(server, new URL(target), address.port)
    server.on("request", (from: IncomingMessage, to: ServerResponse) => void proxy.#serve(from, to))
    return proxy
  }

  /** From now on; the first rule that fits decides. */
  misbehave(...rules: ReadonlyArray<Rule>): void {
    this.#rules = rules.map((rule) => ({ ...rule, left: rule.times ?? Number.POSITIVE_INFINITY }))
    this.#hits = 0
    this.#server.closeIdleConnections()
  }

  /** Passes everything on; whoever still waits for an answer has to ask again. */
  behave(): void {
    this.#rules = []
    this.#server.closeAllConnections()
  }

  /** Resolves when rules were applied so often since they were made. */
  misbehaved(hits: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#hits >= hits) resolve()
      else this.#waiting.push({ hits, resolve })
    })
  }

  /** Refuses connections until `listen`. */
  async stopListening(): Promise<void> {
    const closed = once(this.#server, "close")
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(Number(new URL(this.url).port), "127.0.0.1"), "listening")
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.stopListening()
  }

  async #serve(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const chunks: Array<Buffer> = []
    try {
      for await (const chunk of from) chunks.push(chunk as Buffer)
      const exchange: Exchange = {
        request: from,
        response: to,
        forward: (headers = {}) => this.#ask(from, Buffer.concat(chunks), headers)
      }
      const { method = "GET", url = "/" } = from
      const rule = this.#rules.find(
        ({ left, matches, methods }) => left > 0 && (methods?.includes(method) ?? true) && (matches?.test(url) ?? true)
      )
      if (rule === undefined) return send(exchange, await exchange.forward())
      rule.left--
      this.#hits++
      await rule.how(exchange)
      this.#waiting = this.#waiting.filter(({ hits, resolve }) => {
        if (hits <= this.#hits) resolve()
        return hits > this.#hits
      })
    } catch {
      // The client went away, or the server did: either way nobody is to be answered.
      to.destroy()
    }
  }

  #ask(from: IncomingMessage, body: Buffer, headers: Record<string, string | undefined>): Promise<Answer> {
    const merged = Object.entries({ ...from.headers, ...headers, connection: "close" })
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: this.#target.hostname,
          port: this.#target.port,
          method: from.method,
          path: from.url,
          headers: Object.fromEntries(merged.filter(([, value]) => value !== undefined))
        },
        (answer) => {
          const chunks: Array<Buffer> = []
          answer.on("data", (chunk: Buffer) => chunks.push(chunk))
          answer.on("error", reject)
          answer.on("end", () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) })
          )
        }
      )
      asked.on("error", reject)
      asked.end(body)
    })
  }
}
