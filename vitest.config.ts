import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes longest, or waits for long. It comes first, so that no process works on it when the others are done. */
const LONGEST = [
  'demo',
  'load-candles',
  'server/faults',
  'embedded/connect-embedded',
  'server/kill-switch-races',
  'server/listen',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) =>
      LONGEST.some((name) => moduleId.endsWith(`/test/${name}.test.ts`))
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // Starting a process and loading Drizzle and the embedded engine anew takes longer than most files. The package keeps
    // nothing between calls, and a file that does not put back what it has replaced fails.
    isolate: false,
    setupFiles: ['test/left-behind.ts'],
    sequence: { sequencer: LongestFirst },
  },
})
