/** What the filesystem has agreed on with the binding, for every mount, and what a mount tells of its features. */
import type { Feature, FeatureState, FeatureSwitches, Session } from "@onemount/fuse-native"

/** No file has privileges that a write would take from it (filesystem/attributes.ts). */
export const usual: FeatureSwitches = { killPrivileges: true }

export interface MountFeature extends FeatureState {
  /** Why it is not used, where the session had to find out: privileges and the cache's filesystem, not the kernel alone. */
  readonly reason?: string
}
export type MountFeatures = Readonly<Record<Feature, MountFeature>>

/** Undefined until the kernel has answered. */
export const featuresOf = (session: Session): MountFeatures | undefined => {
  const { features } = session
  const reason = session.passthroughRefusal()
  if (features === undefined || reason === undefined) return features
  return { ...features, passthrough: { ...features.passthrough, reason } }
}
