/**
 * The embedded drive: the drive API of Microsoft Graph over a folder of this machine. It is what we mount when nobody
 * has signed in, and what every claim about our client is tested against.
 *
 * The model. A drive and its owner; Drives has those of others that the owner may use. A drive's items, their tags and
 * the delta log are rows of SQLite (migrations.ts), its bytes are immutable files (ContentFiles). DriveModel knows the
 * rules of changing items, DeltaLog reads the changes in pages, UploadSessions collects large content. Requests come as
 * DriveRequest with a raw URL, are routed on it (Routing, dispatch) and answered by the *Routes files; DriveServer wraps
 * that with errors, request log and faults; Pushes are what the drive sends of its own accord. Two faces carry it:
 * `inProcess` as an HttpClient without sockets, `serveHttp` over HTTP/1.1. DriveAdmin is the second client: it changes the
 * same model without HTTP.
 *
 * Assumptions. One process has the folder open. A change is one SQLite transaction, and content is complete on disk
 * before the transaction that refers to it, so the state survives kill -9 at any point; left-over files are swept at
 * start. A drive is personal or business from its making on: ids, tags, paths in references, and what deleted items say
 * differ between them (ItemTags, DriveItemShape), and so do the hashes of contents (ContentHash). Where the service is not known
 * to be one way, the drive takes the stricter one: parents of a path are not created unless DriveSettings.createParents
 * says so, a conflict is a 409, a bad name a 400.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Layer } from "effect"
import { AdminApi } from "./AdminApi.ts"
import { DriveAdmin } from "./DriveAdmin.ts"
import { DriveCertificates } from "./DriveCertificates.ts"
import { DriveGenerator } from "./DriveGenerator.ts"
import { driveLayer, Drives } from "./Drives.ts"
import { DriveServer } from "./DriveServer.ts"
import { defaultSettings, DriveSettings } from "./DriveSettings.ts"
import { type DriveFolderError, DriveStore, type NewDrive } from "./DriveStore.ts"
import { DriveTokens } from "./DriveTokens.ts"
import { Faults } from "./Faults.ts"
import { Pushes } from "./Pushes.ts"
import { RequestLog } from "./RequestLog.ts"
import { SignIns } from "./SignIns.ts"
import { Weather } from "./Weather.ts"
import { Webhooks } from "./Webhooks.ts"

export { ApiError } from "./ApiError.ts"
export { DriveAdmin, type DriveEntry } from "./DriveAdmin.ts"
export { DriveCertificates } from "./DriveCertificates.ts"
export { DriveGenerator, type GenerateOptions } from "./DriveGenerator.ts"
export type { DriveLabel } from "./DriveLabel.ts"
export { Drives, type FurtherDrive } from "./Drives.ts"
export { DriveServer } from "./DriveServer.ts"
export { DriveFolderError } from "./DriveStore.ts"
export { DriveTokens } from "./DriveTokens.ts"
export { ConnectionCut, type DriveRequest, type DriveResponse } from "./Exchange.ts"
export { faultCatalogue, type FaultName } from "./faultCatalogue.ts"
export { type Fault, type FaultAction, Faults, type InjectedFault } from "./Faults.ts"
export { type Listening, serveHttp, ServeError, type ServeOptions, serveTls } from "./HttpFace.ts"
export { baseUrl, inProcess, origin } from "./InProcess.ts"
export { isLoopback, notLoopback } from "./Loopback.ts"
export { serveProxy } from "./ProxyFace.ts"
export type { DriveKind, IdStyle } from "./ItemTags.ts"
export { type LoggedRequest, RequestLog } from "./RequestLog.ts"
export { makeSecondClient, type SecondClient, SecondClientError, type ServedItem } from "./SecondClient.ts"
export { type FaceOptions, serveDrive, type ServedDrive } from "./Serving.ts"
export { SignIns } from "./SignIns.ts"
export { Weather } from "./Weather.ts"
export { isPreset, presets, type Preset, Scenario } from "./Scenario.ts"
export { seedSample } from "./sampleContent.ts"

export interface DriveOptions extends NewDrive {
  /** Limits and habits that differ from the service's. */
  readonly settings?: Partial<DriveSettings>
}

/** What a drive offers: the API, the second client, its tokens, and the means of tests. */
export type Services =
  | DriveGenerator
  | Weather
  | DriveServer
  | DriveAdmin
  | Drives
  | DriveTokens
  | DriveCertificates
  | SignIns
  | Faults
  | RequestLog

/**
 * The drive in a folder, which is created when it is absent or empty. Anything that is not a drive, is one of a newer
 * version, is damaged or is in use is refused and left as it is.
 */
export const layer = (options: DriveOptions & { readonly dir: string }): Layer.Layer<Services, DriveFolderError> =>
  compose(DriveStore.layer(options.dir, options), options)

/** A new drive that is gone with its scope. */
export const layerMemory = (options: DriveOptions = {}): Layer.Layer<Services, DriveFolderError> =>
  compose(DriveStore.layerMemory(options), options)

const compose = (store: ReturnType<typeof DriveStore.layerMemory>, { settings }: DriveOptions) =>
  DriveServer.layer.pipe(
    Layer.provide(Layer.mergeAll(AdminApi.layer, Webhooks.layer)),
    Layer.provideMerge(Drives.layer),
    Layer.provideMerge(driveLayer),
    Layer.provide(Pushes.layer),
    Layer.provideMerge(
      Layer.mergeAll(
        DriveTokens.layer,
        DriveCertificates.layer,
        DriveGenerator.layer,
        SignIns.layer,
        Faults.layer,
        RequestLog.layer
      ).pipe(Layer.provideMerge(Weather.layer))
    ),
    Layer.provide(store),
    Layer.provide([NodeFileSystem.layer, NodeHttpClient.layerUndici]),
    Layer.provide(Layer.succeed(DriveSettings, { ...defaultSettings, ...settings }))
  )
