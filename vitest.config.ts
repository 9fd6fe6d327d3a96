import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "native/test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/mount/**", "test/semantics/**", "native/test/mount/**"],
          testTimeout: 20_000
        }
      },
      {
        test: {
          name: "mount",
          include: ["test/mount/**/*.test.ts", "test/semantics/**/*.test.ts", "native/test/mount/**/*.test.ts"],
          testTimeout: 60_000,
          fileParallelism: false
        }
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 600_000,
          fileParallelism: false
        }
      }
    ]
  }
})
