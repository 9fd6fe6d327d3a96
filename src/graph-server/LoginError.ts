/** Refusals of the login host: OAuth error codes (RFC 6749 section 5.2, RFC 8628 section 3.5) with Entra's numbers. */
import { Schema } from "effect"

export class LoginError extends Schema.TaggedError<LoginError>()("LoginError", {
  status: Schema.Int,
  error: Schema.String,
  /** The number in "AADSTS70008". */
  number: Schema.Int,
  message: Schema.String
}) {}

const make =
  (error: string, status = 400) =>
  (number: number, message: string): LoginError =>
    new LoginError({ status, error, number, message })

export const invalidGrant = make("invalid_grant")
export const invalidRequest = make("invalid_request")
export const unsupportedGrantType = make("unsupported_grant_type")
export const authorizationPending = make("authorization_pending")
export const slowDown = make("slow_down")
export const authorizationDeclined = make("authorization_declined")
export const expiredToken = make("expired_token")
export const badVerificationCode = make("bad_verification_code")

/** 400 for a parameter that is required and absent. */
export const missing = (parameter: string): LoginError =>
  invalidRequest(900144, `The request body must contain the following parameter: '${parameter}'.`)
