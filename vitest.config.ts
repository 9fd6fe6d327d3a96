import { defineConfig } from "vitest/config"

// Real processes and mounts share a CI machine with whatever else runs there. A test that fails is run once more there
// and reported as retried; at a developer's desk it just fails.
const retry = process.env["CI"] === undefined ? 0 : 1

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "native/test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/mount/**", "test/semantics/**", "native/test/mount/**"],
          testTimeout: 20_000,
          retry
        }
      },
      {
        test: {
          name: "mount",
          include: ["test/mount/**/*.test.ts", "test/semantics/**/*.test.ts", "native/test/mount/**/*.test.ts"],
          testTimeout: 60_000,
          retry,
          fileParallelism: false
        }
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 600_000,
          retry,
          fileParallelism: false
        }
      }
    ]
  }
})
