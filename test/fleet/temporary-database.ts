import { execFileSync } from 'node:child_process'
import { describe } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'

let n = 0
export interface Engine {
  readonly kind: 'postgres' | 'pg'
  open(options?: { poolSize?: number }): Promise<Connection>
}
export function describeEngines(title: string, body: (engine: Engine) => void) {
  for (const kind of ['postgres', 'pg'] as const) {
    describe(`${title} on ${kind}`, () =>
      body({
        kind,
        async open(options) {
          const name = `t_${process.pid}_${Date.now()}_${n++}`
          execFileSync('psql', [
            '-h',
            '127.0.0.1',
            '-p',
            '54731',
            '-U',
            'postgres',
            '-qc',
            `create database ${name} template postgres`,
          ])
          return connect({
            url: `postgres://postgres@127.0.0.1:54731/${name}`,
            driver: kind,
            skipSchemaCheck: true,
            ...options,
          })
        },
      }))
  }
}
