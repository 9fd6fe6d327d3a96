import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as GraphServer from "../../src/graph-server/GraphServer.ts"
import { call, drive, get } from "./api.ts"

const host = `${GraphServer.origin}/common`

interface TokenBody {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
  readonly error: string
  readonly error_codes: ReadonlyArray<number>
  readonly interval: number
  readonly device_code: string
  readonly user_code: string
}

const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  call("POST", `${host}/oauth2/v2.0/${path}`, {
    token: null,
    headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString()
  }).pipe(Effect.map(({ status, text }) => ({ status, body: JSON.parse(text) as TokenBody })))

const token = (fields: Record<string, string>, headers?: Record<string, string>) =>
  form("token", { client_id: "app", ...fields }, headers)

const redirectUri = "http://localhost:53682/"

const authorize = (extra: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const query = new URLSearchParams({
      client_id: "app",
      response_type: "code",
      redirect_uri: redirectUri,
      state: "s1",
      ...extra
    })
    const reply = yield* get(`${host}/oauth2/v2.0/authorize?${query.toString()}`, { token: null })
    return { status: reply.status, location: reply.headers["location"] ?? "" }
  })

const codeOf = (location: string): string => new URL(location).searchParams.get("code") ?? ""

const poll = (code: string) =>
  Effect.map(token({ grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: code }), (reply) => [
    reply.status,
    reply.body.error ?? "granted"
  ])
const decide = (code: string, decision: string) =>
  call("POST", `${GraphServer.origin}/devicelogin`, {
    token: null,
    body: new URLSearchParams({ user_code: code, decision }).toString()
  })

describe("the login host", () => {
  it.effect("refreshes with rotation, keeps old refresh tokens alive and lets access tokens expire", () =>
    Effect.gen(function* () {
      const owner = (yield* GraphServer.DriveTokens).token
      const first = yield* token({ grant_type: "refresh_token", refresh_token: owner, redirect_uri: "x://y" })
      assert.deepStrictEqual([first.status, first.body.expires_in], [200, 3600])
      const second = yield* token({ grant_type: "refresh_token", refresh_token: first.body.refresh_token })
      assert.notStrictEqual(second.body.refresh_token, first.body.refresh_token)
      const replayed = yield* token({ grant_type: "refresh_token", refresh_token: first.body.refresh_token })
      assert.strictEqual(replayed.status, 200)
      assert.strictEqual((yield* get("/me", { token: first.body.access_token })).status, 200)
      assert.strictEqual((yield* get("/me", { token: first.body.refresh_token })).status, 401)
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual((yield* get("/me", { token: first.body.access_token })).status, 401)
      assert.strictEqual((yield* get("/me", { token: owner })).status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("takes the client's credentials from the body or from Basic", () =>
    Effect.gen(function* () {
      const owner = (yield* GraphServer.DriveTokens).token
      const basic = { authorization: `Basic ${Buffer.from("app:secret").toString("base64")}` }
      const refresh = { grant_type: "refresh_token", refresh_token: owner }
      assert.strictEqual((yield* form("token", refresh, basic)).status, 200)
      const nobody = yield* form("token", refresh)
      assert.deepStrictEqual([nobody.status, nobody.body.error], [400, "invalid_request"])
      assert.deepStrictEqual(nobody.body.error_codes, [900144])
      const broken = { authorization: `Basic ${Buffer.from("%zz:secret").toString("base64")}` }
      const refused = yield* form("token", refresh, broken)
      assert.deepStrictEqual([refused.status, refused.body.error], [400, "invalid_request"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("gives a code for a redirect to this machine, once, to whoever knows the verifier", () =>
    Effect.gen(function* () {
      const verifier = "v".repeat(50)
      const challenge = createHash("sha256").update(verifier).digest("base64url")
      const { status, location } = yield* authorize({ code_challenge: challenge, code_challenge_method: "S256" })
      assert.deepStrictEqual([status, new URL(location).searchParams.get("state")], [302, "s1"])
      const redeem = { grant_type: "authorization_code", code: codeOf(location), redirect_uri: redirectUri }
      const wrong = yield* token({ ...redeem, code_verifier: "w".repeat(50) })
      assert.deepStrictEqual([wrong.status, wrong.body.error], [400, "invalid_grant"])
      const granted = yield* token({ ...redeem, code_verifier: verifier })
      assert.strictEqual((yield* get("/me/drive", { token: granted.body.access_token })).status, 200)
      const again = yield* token({ ...redeem, code_verifier: verifier })
      assert.deepStrictEqual(again.body.error_codes, [54005])
      const late = yield* authorize()
      yield* TestClock.adjust("11 minutes")
      const expired = yield* token({ ...redeem, code: codeOf(late.location) })
      assert.deepStrictEqual(expired.body.error_codes, [70008])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("gives a refresh token to whoever asks for offline access, and to no one else", () =>
    Effect.gen(function* () {
      const granted = Effect.fnUntraced(function* (scope: string) {
        const { location } = yield* authorize({ scope })
        const code = { grant_type: "authorization_code", code: codeOf(location), redirect_uri: redirectUri }
        return (yield* token(code)).body
      })
      assert.isUndefined((yield* granted("Files.ReadWrite")).refresh_token)
      const { refresh_token } = yield* granted("Files.ReadWrite offline_access")
      const renewed = yield* token({ grant_type: "refresh_token", refresh_token, scope: "Files.ReadWrite" })
      assert.isString(renewed.body.refresh_token)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("sends the code back by query, fragment or form", () =>
    Effect.gen(function* () {
      assert.include((yield* authorize({ response_mode: "fragment" })).location, `${redirectUri}#code=`)
      const query = new URLSearchParams({ client_id: "app", response_type: "code", redirect_uri: redirectUri })
      const form = `${host}/oauth2/v2.0/authorize?${query.toString()}&response_mode=form_post&state=%22%3E`
      const { status, text } = yield* get(form, { token: null })
      assert.strictEqual(status, 200)
      assert.include(text, `action="${redirectUri}"`)
      assert.include(text, '<input type="hidden" name="state" value="&#34;&#62;">')
      const code = /name="code" value="([\w-]+)"/.exec(text)?.[1] ?? ""
      const redeemed = yield* token({ grant_type: "authorization_code", code, redirect_uri: redirectUri })
      assert.strictEqual(redeemed.status, 200)
    }).pipe(Effect.provide(drive()))
  )

  it.effect("does not send codes elsewhere", () =>
    Effect.gen(function* () {
      for (const uri of ["https://evil.example/", "http://localhost.evil.example/", "javascript:alert(1)"]) {
        assert.strictEqual((yield* authorize({ redirect_uri: uri })).status, 400, uri)
      }
      const { location } = yield* authorize({ response_type: "token" })
      assert.include(location, "error=unsupported_response_type")
    }).pipe(Effect.provide(drive()))
  )

  it.effect("lets a device wait, slow down, be declined, expire and be approved", () =>
    Effect.gen(function* () {
      const start = form("devicecode", { client_id: "app", scope: "Files.ReadWrite" })
      const { body: grant } = yield* start
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* poll(grant.device_code), [400, "authorization_pending"])
      assert.deepStrictEqual(yield* poll(grant.device_code), [400, "slow_down"])
      assert.strictEqual((yield* decide("NOSUCH", "approve")).status, 404)
      assert.strictEqual((yield* decide(grant.user_code.toLowerCase(), "approve")).status, 200)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* poll(grant.device_code), [200, "granted"])
      assert.deepStrictEqual(yield* poll(grant.device_code), [400, "invalid_grant"])
      const { body: declined } = yield* start
      yield* decide(declined.user_code, "decline")
      assert.deepStrictEqual(yield* poll(declined.device_code), [400, "authorization_declined"])
      const { body: late } = yield* start
      yield* TestClock.adjust("16 minutes")
      assert.deepStrictEqual(yield* poll(late.device_code), [400, "expired_token"])
      assert.deepStrictEqual(yield* poll("unknown"), [400, "bad_verification_code"])
    }).pipe(Effect.provide(drive()))
  )

  it.effect("answers HEAD /, discovery, and unknown grants", () =>
    Effect.gen(function* () {
      const head = yield* call("HEAD", `${GraphServer.origin}/`, { token: null })
      assert.strictEqual(head.status, 200)
      const found = yield* get(`${host}/v2.0/.well-known/openid-configuration`, { token: null })
      assert.include(found.text, `${host}/oauth2/v2.0/token`)
      const { status, body } = yield* token({ grant_type: "password" })
      assert.deepStrictEqual([status, body.error], [400, "unsupported_grant_type"])
    }).pipe(Effect.provide(drive()))
  )
})
