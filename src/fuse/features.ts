/** What the filesystem has agreed on with the binding, for every mount. */
import type { FeatureSwitches } from "@onemount/fuse-native"

/** No file has privileges that a write would take from it (filesystem/attributes.ts). */
export const usual: FeatureSwitches = { killPrivileges: true }
