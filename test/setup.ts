import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import {
  createTemplate,
  dropDatabase,
  type TestServer,
  uniqueSuffix,
} from '../src/testing/server-database.ts'
import { isDockerThere, startContainer } from './server/docker.ts'
import { startNpmBinaries } from './server/npm-binaries.ts'
import type { RunningServer } from './server/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A real server, and on it a database with all migrations that takes no connections. */
    readonly server: TestServer & { readonly name: string; readonly template: string }
    /** For what test files share. Removed at the end of the run. */
    readonly folder: string
  }
}

let tearDown: (() => Promise<void>) | undefined

/** Runs once before all tests: finds a real server and makes the database that theirs are copied from. */
export async function setup(project: TestProject): Promise<void> {
  const running = await findServer()
  const server = { url: running.url, directUrl: running.directUrl ?? running.url }
  const template = `tradeblotter_template_${uniqueSuffix()}`
  try {
    await createTemplate(server, template)
  } catch (error) {
    await running.stop()
    throw error
  }
  const folder = mkdtempSync(join(tmpdir(), 'tradeblotter-run-'))
  tearDown = async () => {
    rmSync(folder, { recursive: true, force: true })
    await dropDatabase(server, template).finally(() => running.stop())
  }
  project.provide('folder', folder)
  project.provide('server', { ...server, name: running.name, template })
  say(`tests run on ${running.name}`)
}

export async function teardown(): Promise<void> {
  await tearDown?.()
}

async function findServer(): Promise<RunningServer & { readonly directUrl?: string }> {
  const url = process.env.TEST_DATABASE_URL
  if (url) {
    const directUrl = process.env.TEST_DATABASE_DIRECT_URL || url
    return {
      name: `the server of TEST_DATABASE_URL (${new URL(url).host})`,
      url,
      directUrl,
      stop: async () => undefined,
    }
  }
  if (await isDockerThere()) {
    try {
      return await startContainer()
    } catch (error) {
      say(
        `Docker answers, but its container does not start (${error instanceof Error ? error.message : error})`,
      )
    }
  }
  return await startNpmBinaries({ inMemory: true })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
