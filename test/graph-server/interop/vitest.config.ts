/** Other people's clients, from the system's packages: `npm run test:interop`. Not part of `npm test`. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.interop.ts"],
    globalSetup: ["results.ts"],
    testTimeout: 900_000,
    fileParallelism: false
  }
})
