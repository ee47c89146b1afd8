import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportAuditAnchor } from '../../src/audit/anchor.ts'
import type { AuditFault } from '../../src/audit/audit-fault.ts'
import { verifyAuditTrail } from '../../src/audit/audit-trail.ts'
import { recordDecisionHistory } from '../../src/audit/decision-history.ts'
import { recordRiskEvent } from '../../src/audit/risk-events.ts'
import { recordSystemEvent } from '../../src/audit/system-events.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { many } from '../../src/db/rows.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeDatabases } from '../database.ts'

const LENGTH = 7
const TABLES = ['risk_events', 'system_events', 'decision_history'] as const
type Table = (typeof TABLES)[number]

/** Every column that says something, and another value for it. */
const COLUMNS: Readonly<Record<Table, Readonly<Record<string, string>>>> = {
  risk_events: {
    bot_id: "'c3'",
    id: '900 + sequence',
    kind: "'max_drawdown'",
    actor: "'eve'",
    reason: "'none'",
    subject_id: "'00000000-0000-7000-8000-000000000001'",
    details: `'{"a": 2}'`,
    occurred_at: "occurred_at + interval '1 millisecond'",
    event_id: "'00000000-0000-7000-8000-000000000002'",
    actual: '1.23000001',
    threshold: '1',
    action_taken: "'none'",
    sequence: '50',
    previous_hash: "'\\x00'",
    hash: "'\\x00'",
  },
  system_events: {
    bot_id: "'c3'",
    id: '900 + sequence',
    event_id: "'00000000-0000-7000-8000-000000000002'",
    kind: "'y'",
    severity: "'debug'",
    actor: "'eve'",
    component: "'z'",
    message: "'Hello'",
    details: `'{"a": 2}'`,
    exchange: "'x'",
    symbol: "'S'",
    order_id: "'00000000-0000-7000-8000-000000000001'",
    trade_id: "'t'",
    position_id: "'00000000-0000-7000-8000-000000000001'",
    error_code: "'E'",
    stack_trace: "'at'",
    occurred_at: "occurred_at + interval '1 millisecond'",
    sequence: '50',
    previous_hash: "'\\x00'",
    hash: "'\\x00'",
  },
  decision_history: {
    bot_id: "'c3'",
    id: '900 + sequence',
    event_id: "'00000000-0000-7000-8000-000000000002'",
    action: "'ai_halted'",
    actor: "'eve'",
    symbol: "'S'",
    rationale: "'none'",
    confidence: '0.70000000000000007',
    risk_check_result: "'fail:x'",
    strategy_id: "'00000000-0000-7000-8000-000000000001'",
    trade_idea_id: "'00000000-0000-7000-8000-000000000001'",
    snapshot_id: "'00000000-0000-7000-8000-000000000001'",
    decision_id: "'00000000-0000-7000-8000-000000000001'",
    order_id: "'00000000-0000-7000-8000-000000000001'",
    human_override: 'true',
    details: `'{"a": 2}'`,
    occurred_at: "occurred_at + interval '1 millisecond'",
    sequence: '50',
    previous_hash: "'\\x00'",
    hash: "'\\x00'",
  },
}

describeDatabases('the audit trail', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    for (let n = 1; n <= LENGTH; n++) {
      for (const botId of ['a1', 'b2', undefined]) {
        await recordRiskEvent(db, {
          botId,
          kind: 'exposure_limit',
          actor: 'guard',
          actual: '1.23',
          details: { n },
        })
        await recordSystemEvent(db, { botId, kind: 'x', severity: 'info', message: `hello ${n}` })
        const confidence = 0.7
        await recordDecisionHistory(db, {
          botId,
          action: 'admin_note',
          actor: 'ada',
          rationale: `r ${n}`,
          confidence,
        })
      }
    }
  })

  const run = (handle: Database, text: string) =>
    many('tamper', { prepare: () => ({ execute: () => handle.execute(sql.raw(text)) }) } as never)

  /** Does it as the owner with no trigger in the way, verifies, and takes it back. */
  async function tampered(statements: readonly string[], anchored = false): Promise<readonly AuditFault[]> {
    const anchor = anchored ? await exportAuditAnchor(db) : undefined
    let faults: readonly AuditFault[] = []
    await transaction(db, async (tx) => {
      for (const table of [...TABLES, 'chains'])
        await run(tx, `alter table audit.${table} disable trigger user`)
      for (const table of TABLES) await run(tx, `alter table audit.${table} alter id drop identity`)
      for (const text of statements) await run(tx, text)
      faults = (await verifyAuditTrail(tx, { anchor })).faults
      throw new Error('taken back')
    }).catch((thrown: Error) => {
      if (thrown.message !== 'taken back') throw thrown
    })
    return faults
  }

  const chainOf = (table: Table) => (table === 'risk_events' ? 'risk_events:exposure_limit' : table)
  const summary = (faults: readonly AuditFault[]) =>
    faults.map(({ kind, table, botId, sequence }) => `${kind} ${table} ${botId} ${sequence}`)
  const where = (sequence: number, botId = 'a1') => `where bot_id = '${botId}' and sequence = ${sequence}`
  /** Gives rows the hash that they would have had, had they been written so. */
  const rehash = (table: Table, sequence: number, botId = 'a1') =>
    `update audit.${table} e set hash = audit.hash_of(e.previous_hash, e.sequence, audit.content_of(e)) ${where(sequence, botId)}`

  it('is intact as it was written, and says what it looked at', async () => {
    expect(await verifyAuditTrail(db)).toEqual({ isIntact: true, faults: [], chains: 9, rows: 9 * LENGTH })
    expect(await verifyAuditTrail(db, { botId: 'a1' })).toMatchObject({
      isIntact: true,
      chains: 3,
      rows: 3 * LENGTH,
    })
    expect(await verifyAuditTrail(db, { botId: '*' })).toMatchObject({ isIntact: true, chains: 3 })
    expect(await verifyAuditTrail(db, { botId: 'nobody' })).toMatchObject({
      isIntact: true,
      chains: 0,
      rows: 0,
    })
  })

  it('knows every column of the tables', async () => {
    for (const table of TABLES) {
      const columns = (await run(
        db,
        `select column_name as name from information_schema.columns where table_schema = 'audit' and table_name = '${table}'`,
      )) as { name: string }[]
      const spared = table === 'risk_events' ? ['resolves_id'] : []
      expect(columns.map(({ name }) => name).sort()).toEqual(
        [...Object.keys(COLUMNS[table]), ...spared].sort(),
      )
    }
  })

  describe.each(TABLES)('of %s', (table) => {
    it.each([1, 4, LENGTH])('finds each column that was altered in row %i', async (sequence) => {
      for (const [column, value] of Object.entries(COLUMNS[table])) {
        const faults = await tampered([`update audit.${table} set ${column} = ${value} ${where(sequence)}`])
        const first = faults.find(({ botId }) => botId === 'a1')
        // Moved to another bot or kind, or to another place, the row is missing here.
        const isMoved =
          ['bot_id', 'sequence'].includes(column) || (column === 'kind' && table === 'risk_events')
        const kinds = isMoved
          ? ['missing']
          : column === 'id' && sequence === LENGTH
            ? ['altered']
            : ['altered']
        expect([column, first?.sequence, kinds.includes(first?.kind ?? '')]).toEqual([column, sequence, true])
        expect(first).toMatchObject({ table, chain: chainOf(table) })
      }
    })

    it.each([1, 4, LENGTH])('finds row %i altered by somebody who gave it a new hash', async (sequence) => {
      const faults = await tampered([
        `update audit.${table} set details = '{"a": 3}' ${where(sequence)}`,
        rehash(table, sequence),
      ])
      expect(summary(faults)).toEqual([`altered ${table} a1 ${sequence}`])
    })

    it.each([1, 4, LENGTH])(
      'finds that row %i is gone, whether or not those after it moved up',
      async (sequence) => {
        const gone = `delete from audit.${table} ${where(sequence)}`
        expect(summary(await tampered([gone]))).toEqual([`missing ${table} a1 ${sequence}`])
        const rest = `where bot_id = 'a1' and sequence > ${sequence}`
        const closeUp = [
          `update audit.${table} set sequence = -sequence ${rest}`,
          `update audit.${table} set sequence = -sequence - 1 where bot_id = 'a1' and sequence < 0`,
        ]
        expect(summary(await tampered([gone, ...closeUp]))).toEqual([`missing ${table} a1 ${sequence}`])
      },
    )

    it.each([1, 4, LENGTH])(
      'finds row %i altered where its hash, or that of the row before it, was made nothing',
      async (sequence) => {
        for (const column of ['hash', 'previous_hash']) {
          const faults = await tampered([
            `alter table audit.${table} alter ${column} drop not null`,
            `update audit.${table} set details = '{"a": 5}', ${column} = null ${where(sequence)}`,
          ])
          expect(summary(faults)).toEqual([`altered ${table} a1 ${sequence}`])
        }
      },
    )

    it('finds a row that was added to nobody, and one of no number', async () => {
      const copy = (column: string) => [
        `alter table audit.${table} drop constraint ${table}_pkey`,
        `alter table audit.${table} alter ${column} drop not null`,
        `update audit.${table} set ${column} = null ${where(LENGTH)}`,
      ]
      for (const column of ['bot_id', 'sequence']) {
        const faults = await tampered(copy(column))
        expect(
          faults.some((one) => one.table === table && ['missing', 'added', 'altered'].includes(one.kind)),
        ).toBe(true)
      }
    })

    it('finds two rows that changed places, by their numbers or by their contents', async () => {
      for (const [one, other] of [
        [1, 2],
        [2, 6],
        [6, LENGTH],
      ] as const) {
        const numbers = await tampered([
          `update audit.${table} set sequence = -${one} ${where(one)}`,
          `update audit.${table} set sequence = ${one} ${where(other)}`,
          `update audit.${table} set sequence = ${other} ${where(-one)}`,
        ])
        expect(summary(numbers)).toEqual([`reordered ${table} a1 ${one}`])
        const contents = await tampered([
          `update audit.${table} e set details = o.details, occurred_at = o.occurred_at + interval '5 milliseconds' * (o.sequence - e.sequence)
            from audit.${table} o where e.bot_id = 'a1' and o.bot_id = 'a1' and (e.sequence, o.sequence) in ((${one}, ${other}), (${other}, ${one}))`,
        ])
        expect(summary(contents)).toEqual([`altered ${table} a1 ${one}`])
      }
    })

    const copied = (sequence: string, extra = '') => `
      insert into audit.${table} ${columnsOf(table)}
      select ${columnsOf(table).slice(1, -1).replace('sequence', `${sequence} as sequence`).replace(' id', ' 5000 as id')}
      from audit.${table} ${where(3)} ${extra}`

    it('finds a row that was added at the end, also with the right hash', async () => {
      const added = copied(`${LENGTH + 1}`)
      const tied = `update audit.${table} e set previous_hash = o.hash from audit.${table} o
        where e.bot_id = 'a1' and e.sequence = ${LENGTH + 1} and o.bot_id = 'a1' and o.sequence = ${LENGTH}`
      expect(summary(await tampered([added]))).toEqual([`added ${table} a1 ${LENGTH + 1}`])
      expect(summary(await tampered([added, tied, rehash(table, LENGTH + 1)]))).toEqual([
        `added ${table} a1 ${LENGTH + 1}`,
      ])
    })

    it('finds a row that was put between others, also with the right hash', async () => {
      const makeRoom = [
        `update audit.${table} set sequence = -sequence where bot_id = 'a1' and sequence >= 4`,
        `update audit.${table} set sequence = 1 - sequence where bot_id = 'a1' and sequence < 0`,
        copied('4'),
      ]
      const tied = `update audit.${table} e set previous_hash = o.hash from audit.${table} o
        where e.bot_id = 'a1' and e.sequence = 4 and o.bot_id = 'a1' and o.sequence = 3`
      expect(summary(await tampered([...makeRoom, tied, rehash(table, 4)]))).toEqual([`added ${table} a1 4`])
      const [untied] = await tampered(makeRoom)
      expect(untied).toMatchObject({ sequence: 4 })
      expect(summary(await tampered([copied('0')]))).toEqual([`added ${table} a1 0`])
    })

    it('finds that the end of a chain was changed, or is gone', async () => {
      const end = `where bot_id = 'a1' and chain = '${chainOf(table)}'`
      expect(summary(await tampered([`delete from audit.chains ${end}`]))).toEqual([`added ${table} a1 1`])
      expect(summary(await tampered([`update audit.chains set hash = '\\x00' ${end}`]))).toEqual([
        `altered ${table} a1 ${LENGTH}`,
      ])
      expect(summary(await tampered([`delete from audit.${table} where bot_id = 'a1'`]))).toEqual([
        `missing ${table} a1 1`,
      ])
    })

    /** Writes the chain anew from a row on, as its owner could. */
    const rewritten = (from: number) => [
      ...Array.from({ length: LENGTH - from + 1 }, (_, i) => i + from).flatMap((sequence) => [
        `update audit.${table} e set previous_hash = coalesce((select o.hash from audit.${table} o
          where o.bot_id = 'a1' and o.sequence = ${sequence - 1}), audit.genesis('a1', '${chainOf(table)}')) ${where(sequence)}`,
        rehash(table, sequence),
      ]),
      `update audit.chains c set hash = e.hash, previous_hash = e.previous_hash, length = e.sequence from audit.${table} e
        where e.bot_id = 'a1' and c.bot_id = 'a1' and c.chain = '${chainOf(table)}'
          and e.sequence = (select max(sequence) from audit.${table} where bot_id = 'a1')`,
    ]

    it('finds with an anchor what was written anew with all that follows, and what was cut off with the end', async () => {
      const anew = [`update audit.${table} set details = '{"a": 4}' ${where(3)}`, ...rewritten(3)]
      expect(await tampered(anew)).toEqual([])
      const [altered] = await tampered(anew, true)
      expect(altered).toMatchObject({ kind: 'altered', table, sequence: LENGTH })
      const cutOff = [`delete from audit.${table} where bot_id = 'a1' and sequence > 5`, ...rewritten(6)]
      expect(await tampered(cutOff)).toEqual([])
      expect(summary(await tampered(cutOff, true))).toEqual([`missing ${table} a1 ${LENGTH}`])
      const allGone = [
        `delete from audit.${table} where bot_id = 'a1'`,
        `delete from audit.chains where bot_id = 'a1' and chain = '${chainOf(table)}'`,
      ]
      expect(await tampered(allGone)).toEqual([])
      expect(summary(await tampered(allGone, true))).toEqual([`missing ${table} a1 ${LENGTH}`])
    })
  })

  it('finds the first of several faults, in each chain', async () => {
    const faults = await tampered([
      `update audit.system_events set message = 'x' where bot_id = 'a1' and sequence in (3, 5)`,
      `delete from audit.decision_history where bot_id = '*' and sequence = 2`,
    ])
    expect(summary(faults)).toEqual(['altered system_events a1 3', 'missing decision_history * 2'])
    expect(faults[0]).toMatchObject({ id: expect.any(BigInt), finding: expect.stringContaining('hash') })
    expect(faults[1]).toMatchObject({ id: null })
  })

  it('finds whatever is done to any row of any chain', async () => {
    const change = fc.record({
      table: fc.constantFrom(...TABLES),
      botId: fc.constantFrom('a1', 'b2', '*'),
      sequence: fc.integer({ min: 1, max: LENGTH }),
      pick: fc.nat(),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ table, botId, sequence, pick }) => {
        const columns = Object.entries(COLUMNS[table]).filter(
          ([name]) => !['bot_id', 'sequence', 'kind'].includes(name),
        )
        const [column, value] = columns[pick % columns.length] ?? ['hash', "'x'"]
        const faults = await tampered([
          `update audit.${table} set ${column} = ${value} ${where(sequence, botId)}`,
        ])
        expect(summary(faults)).toEqual([`altered ${table} ${botId} ${sequence}`])
      }),
      { numRuns: 15 },
    )
  })

  it('reads an anchor as JSON gives it back, and refuses a damaged one', async () => {
    const anchor = await exportAuditAnchor(db)
    expect(anchor.chains).toHaveLength(9)
    expect(await verifyAuditTrail(db, { anchor: JSON.parse(JSON.stringify(anchor)) })).toMatchObject({
      isIntact: true,
    })
    const [first, ...rest] = anchor.chains
    if (first === undefined) throw new Error('no chain')
    for (const damaged of [
      { ...anchor, chains: [{ ...first, length: first.length - 1 }, ...rest] },
      { ...anchor, chains: rest },
      { ...anchor, digest: 'ff' },
      { ...anchor, format: 2 },
      'nonsense',
    ]) {
      await expect(verifyAuditTrail(db, { anchor: damaged as never })).rejects.toMatchObject({
        code: 'invalid_input',
        field: 'anchor',
      })
    }
    const own = await exportAuditAnchor(db, { botId: 'a1' })
    expect(own.chains.map(({ botId }) => botId)).toEqual(['a1', 'a1', 'a1'])
  })

  it('stays intact whatever the session says about time zones and figures', async () => {
    await transaction(db, async (tx) => {
      await run(tx, `set local timezone = 'Asia/Kathmandu'`)
      await run(tx, 'set local extra_float_digits = -5')
      await run(tx, `set local datestyle = 'SQL, DMY'`)
      await recordDecisionHistory(tx, {
        botId: 'zone',
        action: 'admin_note',
        actor: 'a',
        rationale: 'r',
        confidence: 0.1 + 0.2,
      }).catch(() => undefined)
    }).catch(() => undefined)
    expect(await verifyAuditTrail(db)).toMatchObject({ isIntact: true })
  })

  it('is refused to be changed while its triggers stand', async () => {
    for (const text of [
      'update audit.system_events set message = $$x$$',
      'delete from audit.decision_history',
      'truncate audit.system_events',
      'update audit.chains set length = 0',
      'delete from audit.chains',
      'truncate audit.chains',
    ]) {
      await expect(transaction(db, (tx) => run(tx, text))).rejects.toMatchObject({ code: 'invalid_input' })
    }
  })
})

function columnsOf(table: Table): string {
  return `(${Object.keys(COLUMNS[table])
    .filter((name) => name !== 'event_id')
    .join(', ')})`
}
