import { z } from 'zod'
import type { Logger } from './database.ts'
import { DataError } from './errors.ts'

/** How to connect. Each field can also come from the environment, as `TRADEBLOTTER_…`; options win. */
export interface ConnectOptions {
  /** `postgres://user:password@host:port/database`. From `DATABASE_URL` otherwise. */
  readonly url?: string
  /** A connection past the pooler, for migrations and listening. From `DATABASE_DIRECT_URL`; `url` otherwise. */
  readonly directUrl?: string
  /** `postgres` (postgres.js) unless `pg` (node-postgres, to be installed beside this package). */
  readonly driver?: 'postgres' | 'pg'
  /** True if `url` leads to a pooler in transaction mode, such as PgBouncer. `?pgbouncer=true` says the same. */
  readonly pooled?: boolean
  /** Shown by the server for each connection: the id of the bot. */
  readonly applicationName?: string
  /** Connections at most. 5. */
  readonly poolSize?: number
  /** How long to wait for a free connection. 5,000 ms. */
  readonly poolWaitMs?: number
  /** How long to wait for the server to answer. 10,000 ms. */
  readonly connectTimeoutMs?: number
  /** How long one statement may run. 30,000 ms. */
  readonly statementTimeoutMs?: number
  /** How long one statement may wait for a lock. 5,000 ms. */
  readonly lockTimeoutMs?: number
  /** How long a transaction may be left open without a statement. 30,000 ms. */
  readonly idleInTransactionTimeoutMs?: number
  /** Receives a line for each statement: its name, duration and outcome, never its parameters. */
  readonly logger?: Logger
  /** Connect even when migrations are pending or newer than this release. For operators only. */
  readonly skipSchemaCheck?: boolean
}

const PLAIN_NUMBER = /^-?\d+(?:\.\d+)?$/

/** A whole number, also as text, which is all that an environment has. What is neither is not guessed at. */
const whole = (most: number, standard: number) =>
  z
    .preprocess(
      (value) =>
        typeof value === 'string' && PLAIN_NUMBER.test(value) ? z.coerce.number().parse(value) : value,
      z.number().int().min(1).max(most),
    )
    .default(standard)
const milliseconds = (standard: number) => whole(86_400_000, standard)
const flag = z.union([
  z.boolean(),
  z.enum(['true', 'false', '1', '0']).transform((v) => v === 'true' || v === '1'),
])

const serverUrl = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const problem =
    url === undefined
      ? 'is not a URL'
      : !['postgres:', 'postgresql:'].includes(url.protocol)
        ? `begins with ${url.protocol}//, not postgres://`
        : url.hostname === ''
          ? 'names no host'
          : undefined
  // The text may hold a password, so it is not repeated.
  if (problem)
    context.addIssue({
      code: 'custom',
      message: `${problem}; give postgres://user:password@host:port/database`,
    })
})

const settingsSchema = z.object({
  url: serverUrl,
  directUrl: serverUrl.optional(),
  driver: z.enum(['postgres', 'pg']).default('postgres'),
  pooled: flag.optional(),
  applicationName: z.string().max(63).default('tradeblotter'),
  poolSize: whole(1000, 5),
  poolWaitMs: milliseconds(5_000),
  connectTimeoutMs: milliseconds(10_000),
  statementTimeoutMs: milliseconds(30_000),
  lockTimeoutMs: milliseconds(5_000),
  idleInTransactionTimeoutMs: milliseconds(30_000),
})

export type Settings = Omit<z.output<typeof settingsSchema>, 'pooled' | 'directUrl'> & {
  readonly pooled: boolean
  readonly directUrl: string
}

/** The environment variable of each setting. */
const VARIABLES: Readonly<Record<keyof z.output<typeof settingsSchema>, string>> = {
  url: 'DATABASE_URL',
  directUrl: 'DATABASE_DIRECT_URL',
  driver: 'TRADEBLOTTER_DRIVER',
  pooled: 'TRADEBLOTTER_POOLED',
  applicationName: 'TRADEBLOTTER_APPLICATION_NAME',
  poolSize: 'TRADEBLOTTER_POOL_SIZE',
  poolWaitMs: 'TRADEBLOTTER_POOL_WAIT_MS',
  connectTimeoutMs: 'TRADEBLOTTER_CONNECT_TIMEOUT_MS',
  statementTimeoutMs: 'TRADEBLOTTER_STATEMENT_TIMEOUT_MS',
  lockTimeoutMs: 'TRADEBLOTTER_LOCK_TIMEOUT_MS',
  idleInTransactionTimeoutMs: 'TRADEBLOTTER_IDLE_IN_TRANSACTION_TIMEOUT_MS',
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads all settings: options first, then the environment, then the defaults.
 *
 * @throws `config` listing every problem at once.
 */
export function readSettings(options: ConnectOptions, environment: Environment = process.env): Settings {
  const given = Object.entries(VARIABLES).map(([key, variable]) => {
    const option = options[key as keyof ConnectOptions]
    const value = option ?? (environment[variable] === '' ? undefined : environment[variable])
    return [key, value] as const
  })
  const parsed = settingsSchema.safeParse(
    Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  )
  if (!parsed.success) throw new DataError('config', describe(parsed.error))
  const { url, directUrl, pooled, ...rest } = parsed.data
  const server = withoutOwnParameters(url)
  return {
    ...rest,
    url: server.url,
    pooled: pooled ?? server.pooled,
    directUrl: directUrl === undefined ? server.url : withoutOwnParameters(directUrl).url,
  }
}

function describe(error: z.ZodError): string {
  const problems = error.issues.map((issue) => {
    const key = String(issue.path[0]) as keyof typeof VARIABLES
    if (key === 'url' && issue.code === 'invalid_type') {
      return (
        'url: no database is named; set DATABASE_URL to postgres://user:password@host:port/database, ' +
        'give connect({ url }), or use connectEmbedded({ directory }) from tradeblotter/embedded'
      )
    }
    return `${key} (${VARIABLES[key]}): ${issue.message}`
  })
  return `cannot connect with these settings:\n${problems.map((problem) => `- ${problem}`).join('\n')}`
}

/** `pgbouncer` is a word between us and the caller; the server does not know it. */
function withoutOwnParameters(text: string): { url: string; pooled: boolean } {
  const url = new URL(text)
  const pooled = url.searchParams.get('pgbouncer') === 'true'
  url.searchParams.delete('pgbouncer')
  return { url: url.toString(), pooled }
}
