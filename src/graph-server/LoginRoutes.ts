/**
 * The login host (Microsoft identity platform v2.0): authorize, token, device code, discovery, logout, for any tenant.
 * Its paths differ from the API's, so one server can be both hosts. The owner of the drive is always signed in and
 * consents at once; device codes are approved on the page at /devicelogin. Both are for people at this machine: from
 * another one, nobody can sign in who has no token yet.
 */
import { Effect } from "effect"
import type { ApiError } from "./ApiError.ts"
import { type Call, empty, json, readText } from "./Call.ts"
import type { DriveTokens } from "./DriveTokens.ts"
import type { DriveResponse } from "./Exchange.ts"
import * as LoginError from "./LoginError.ts"
import { deviceCodeLifetime, pollInterval, type SignIns } from "./SignIns.ts"

export interface LoginParts {
  readonly tokens: DriveTokens["Service"]
  readonly signIns: SignIns["Service"]
}

type Reply = Effect.Effect<DriveResponse, ApiError>
type Handler = (parts: LoginParts, call: Call, tenant: string) => Reply

const loginPath =
  /^\/(?!v1\.0\/)([^/]+)\/(oauth2\/v2\.0\/\w+|oauth2\/nativeclient|v2\.0\/\.well-known\/openid-configuration)$/

/** The handler of a path of the login host; undefined when the path is none. */
export const loginHandler = (path: string): ((parts: LoginParts, call: Call) => Reply) | undefined => {
  if (path === "/" || path === "") return () => Effect.succeed(page(200, "Embedded drive"))
  if (path === "/devicelogin") return atThisMachine(deviceLogin)
  const [, tenant = "", endpoint = ""] = loginPath.exec(path) ?? []
  const handler = handlers[endpoint]
  if (handler === undefined) return undefined
  const answer = (parts: LoginParts, call: Call) => handler(parts, call, tenant)
  return handler === authorize ? atThisMachine(answer) : answer
}

/** Whoever reaches these is taken for the owner. */
const atThisMachine =
  (handler: (parts: LoginParts, call: Call) => Reply) =>
  (parts: LoginParts, call: Call): Reply =>
    call.request.isRemote === true
      ? Effect.succeed(page(403, "Sign in on the machine that serves the drive"))
      : handler(parts, call)

/** Turns what the synchronous rules throw into the body that the login host would send. */
const attempt = (call: Call, f: () => DriveResponse): Reply =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (cause) {
      return cause instanceof LoginError.LoginError ? Effect.succeed(errorReply(call, cause)) : Effect.die(cause)
    }
  })

const noId = "00000000-0000-4000-8000-000000000000"

const errorReply = (call: Call, { status, error, number, message }: LoginError.LoginError): DriveResponse => {
  const timestamp = new Date(call.now)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z/, "Z")
  const correlation = call.request.headers["client-request-id"] ?? noId
  return json(status, {
    error,
    error_description: `AADSTS${number}: ${message} Trace ID: ${noId} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
    error_codes: [number],
    timestamp,
    trace_id: noId,
    correlation_id: correlation,
    error_uri: `${call.request.origin}/error?code=${number}`
  })
}

const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const page = (status: number, title: string, content = ""): DriveResponse => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  body: Buffer.from(`<!doctype html><title>${escape(title)}</title><h1>${escape(title)}</h1>${content}`)
})

// ── authorize ──

/** Where public clients may be sent back to: this machine, the page that shows the code, or an app by its own scheme. */
const isPublicRedirect = (uri: string): boolean => isUri(uri) && publicRedirects.some((form) => form.test(uri))

const publicRedirects = [
  /^http:\/\/(localhost|127\.0\.0\.1)(:\d+)?(\/|$)/,
  /^https:\/\/login\.[a-z.]+\/[\w-]+\/oauth2\/nativeclient$/,
  /^(?!(https?|javascript|vbscript|data|file|blob):)[a-z][a-z0-9+.-]*:/i
]

/** RFC 3986 knows printable ASCII only; a header could not carry more. */
const isUri = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

const authorize: Handler = ({ signIns }, call) =>
  attempt(call, () => {
    const clientId = required(call.query, "client_id")
    const redirectUri = required(call.query, "redirect_uri")
    if (!isPublicRedirect(redirectUri)) {
      throw LoginError.invalidRequest(50011, "The redirect URI is not one of a public client.")
    }
    const state = call.query.get("state")
    const answer = (parameters: Record<string, string>): DriveResponse =>
      redirect(redirectUri, call.query.get("response_mode"), {
        ...parameters,
        ...(state === undefined ? {} : { state })
      })
    if (call.query.get("response_type") !== "code") {
      return answer({
        error: "unsupported_response_type",
        error_description: "AADSTS700054: Only response_type=code is supported."
      })
    }
    const value = call.query.get("code_challenge")
    const method = call.query.get("code_challenge_method") ?? "plain"
    if (method !== "S256" && method !== "plain") {
      return answer({ error: "invalid_request", error_description: "AADSTS501491: Unknown code_challenge_method." })
    }
    const challenge = value === undefined ? undefined : ({ method, value } as const)
    const scope = call.query.get("scope") ?? defaultScope
    return answer({ code: signIns.authorize({ clientId, redirectUri, scope, challenge }, call.now) })
  })

/** Sends the browser back: by query unless another response_mode was asked for. */
const redirect = (uri: string, mode: string | undefined, parameters: Record<string, string>): DriveResponse => {
  if (mode === "form_post") {
    const inputs = Object.entries(parameters).map(
      ([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`
    )
    const submit = `<button>Continue</button></form><script>document.forms[0].submit()</script>`
    return page(200, "Signed in", `<form method="post" action="${escape(uri)}">${inputs.join("")}${submit}`)
  }
  const query = new URLSearchParams(parameters).toString()
  const mark = mode === "fragment" ? "#" : uri.includes("?") ? "&" : "?"
  return empty(302, { location: uri + mark + query, "cache-control": "no-store" })
}

const required = (parameters: { get(name: string): string | null | undefined }, name: string): string => {
  const value = parameters.get(name)
  if (value === undefined || value === null || value === "") throw LoginError.missing(name)
  return value
}

// ── token ──

const defaultScope = "Files.ReadWrite User.Read offline_access"

/** Clients identify themselves in the body or by HTTP Basic (RFC 6749 section 2.3.1); secrets of public clients mean nothing. */
const clientOf = (call: Call, form: URLSearchParams): string => {
  const basic = /^basic +(\S+)$/i.exec(call.request.headers.authorization ?? "")?.[1]
  const user = basic === undefined ? undefined : Buffer.from(basic, "base64").toString("utf8").split(":")[0]
  if (user === undefined || user === "") return required(form, "client_id")
  try {
    return decodeURIComponent(user)
  } catch {
    throw LoginError.invalidRequest(9002313, "The client id in the Authorization header is malformed.")
  }
}

const readForm = (call: Call) => Effect.map(readText(call), (text) => new URLSearchParams(text))

const token: Handler = (parts, call) =>
  Effect.flatMap(readForm(call), (form) => attempt(call, () => tokenReply(parts, call, form)))

const tokenReply = ({ tokens, signIns }: LoginParts, call: Call, form: URLSearchParams): DriveResponse => {
  const grantType = required(form, "grant_type")
  const clientId = clientOf(call, form)
  const scope = grantedScope()
  // A refresh renews what was asked for once; other grants have to ask for a refresh token.
  const renewable = grantType === "refresh_token" || scope.split(/\s+/).includes("offline_access")
  const granted = tokens.grant(call.now, renewable)
  return json(
    200,
    {
      token_type: "Bearer",
      scope,
      expires_in: granted.expiresIn,
      ext_expires_in: granted.expiresIn,
      access_token: granted.accessToken,
      // Undefined is left out of the JSON.
      refresh_token: granted.refreshToken
    },
    { "cache-control": "no-store", pragma: "no-cache" }
  )

  function grantedScope(): string {
    switch (grantType) {
      case "authorization_code": {
        const redirectUri = required(form, "redirect_uri")
        const verifier = form.get("code_verifier") ?? undefined
        return signIns.redeemCode({ clientId, code: required(form, "code"), redirectUri, verifier }, call.now)
      }
      case "refresh_token":
        if (tokens.isRefreshToken(required(form, "refresh_token"), call.now)) return form.get("scope") ?? defaultScope
        throw LoginError.invalidGrant(70000, "The provided refresh token is not valid or has expired.")
      case "device_code":
      case "urn:ietf:params:oauth:grant-type:device_code":
        return signIns.redeemDevice({ clientId, code: required(form, "device_code") }, call.now)
      default:
        throw LoginError.unsupportedGrantType(70003, `The grant type '${grantType}' is not supported.`)
    }
  }
}

// ── device code ──

const deviceCode: Handler = ({ signIns }, call) =>
  Effect.flatMap(readForm(call), (form) =>
    attempt(call, () => {
      const scope = form.get("scope") ?? defaultScope
      const { deviceCode: code, userCode } = signIns.startDevice(
        { clientId: required(form, "client_id"), scope },
        call.now
      )
      const verification = `${call.request.origin}/devicelogin`
      return json(200, {
        device_code: code,
        user_code: userCode,
        verification_uri: verification,
        expires_in: deviceCodeLifetime,
        interval: pollInterval,
        message: `To sign in, open ${verification} and enter the code ${userCode}.`
      })
    })
  )

const deviceForm = `<form method="post"><input name="user_code" placeholder="Code" required>
<button name="decision" value="approve">Approve</button> <button name="decision" value="decline">Decline</button></form>`

const deviceLogin = ({ signIns }: LoginParts, call: Call): Reply => {
  if (call.request.method !== "POST") return Effect.succeed(page(200, "Enter the code of your device", deviceForm))
  return Effect.map(readForm(call), (form) => {
    const decision = form.get("decision") === "decline" ? "decline" : "approve"
    const found = signIns.decide(form.get("user_code") ?? "", decision, call.now)
    if (!found) return page(404, "No device waits with this code", deviceForm)
    return page(200, decision === "approve" ? "The device is signed in" : "The device was declined")
  })
}

// ── the rest ──

const discovery: Handler = (_, call, tenant) => {
  const base = `${call.request.origin}/${tenant}`
  return Effect.succeed(
    json(200, {
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
      response_types_supported: ["code"],
      response_modes_supported: ["query", "fragment", "form_post"],
      token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic", "none"],
      code_challenge_methods_supported: ["S256", "plain"],
      scopes_supported: ["openid", "profile", "offline_access"]
    })
  )
}

const handlers: Readonly<Record<string, Handler>> = {
  "oauth2/v2.0/authorize": authorize,
  "oauth2/v2.0/token": token,
  "oauth2/v2.0/devicecode": deviceCode,
  "oauth2/v2.0/logout": () => Effect.succeed(page(200, "You signed out")),
  "oauth2/nativeclient": () => Effect.succeed(page(200, "Copy the address of this page into your client")),
  "v2.0/.well-known/openid-configuration": discovery
}
