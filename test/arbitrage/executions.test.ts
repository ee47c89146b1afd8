import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import {
  type ExecutionOutcome,
  finishExecution,
  getExecution,
  listExecutions,
  startExecution,
} from '../../src/arbitrage/executions.ts'
import { expireOpportunities, getOpportunity, recordOpportunity } from '../../src/arbitrage/opportunities.ts'
import {
  EXECUTION_STATUSES,
  type ExecutionStatus,
  OPPORTUNITY_STATUSES,
  type OpportunityStatus,
} from '../../src/arbitrage/schema/values.ts'
import type { Connection, Database } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { withRollback } from '../../src/testing/index.ts'
import { describeEngines } from '../database.ts'
import { makeBot, minute, query } from '../trading/ledger-fixture.ts'
import { legOf, NOBODY, opportunityOf } from './arbitrage-fixture.ts'

const BOT = 'a'
const OUTCOMES: Readonly<Record<Exclude<ExecutionStatus, 'pending'>, ExecutionOutcome>> = {
  success: { status: 'success', profit: '4.25' },
  partial: { status: 'partial', profit: '-1' },
  failed: { status: 'failed' },
}

/** An execution in that state. */
async function inState(db: Database, status: ExecutionStatus) {
  const { id } = await recordOpportunity(db, opportunityOf(BOT))
  const started = await startExecution(db, { botId: BOT, opportunityId: id, startedAt: minute(1) })
  if (status === 'pending') return started
  return await finishExecution(db, {
    botId: BOT,
    executionId: started.id,
    ...OUTCOMES[status],
    finishedAt: minute(1),
  })
}

/** An opportunity in that state. */
async function opportunityIn(db: Database, status: OpportunityStatus): Promise<string> {
  if (status === 'executing') return (await inState(db, 'pending')).opportunityId
  if (status === 'executed') return (await inState(db, 'success')).opportunityId
  if (status === 'failed') return (await inState(db, 'failed')).opportunityId
  const { id } = await recordOpportunity(db, opportunityOf(BOT))
  if (status === 'expired') await expireOpportunities(db, { botId: BOT, now: minute(5) })
  return id
}

describeEngines('executions', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, BOT)
    await makeBot(db, 'other')
  })

  const made = async (over: Parameters<typeof opportunityOf>[1] = {}) =>
    (await recordOpportunity(db, opportunityOf(BOT, over))).id
  const statusOf = async (opportunityId: string) =>
    (await getOpportunity(db, { botId: BOT, opportunityId })).status

  it('start once, and mark their opportunity', async () => {
    const opportunityId = await made()
    const started = await startExecution(db, { botId: BOT, opportunityId, startedAt: minute(1) })
    expect(started).toEqual({
      botId: BOT,
      id: expect.any(String),
      opportunityId,
      status: 'pending',
      legs: [],
      transactionHashes: [],
      gasUsed: null,
      profit: null,
      error: null,
      startedAt: minute(1),
      finishedAt: null,
    })
    expect(await getExecution(db, { botId: BOT, executionId: started.id })).toEqual(started)
    expect(await getOpportunity(db, { botId: BOT, opportunityId })).toMatchObject({
      status: 'executing',
      executionId: started.id,
    })
    await expect(
      startExecution(db, { botId: BOT, opportunityId, startedAt: minute(1) }),
    ).rejects.toMatchObject({
      code: 'invalid_transition',
      field: 'opportunityId',
      message: `opportunity '${opportunityId}' is executing by execution '${started.id}'`,
    })
  })

  it('start up to the millisecond before the opportunity expires', async () => {
    const [opportunityId, forever] = [await made(), await made({ expiresAt: undefined })]
    const end = minute(2).getTime()
    for (const startedAt of [minute(2), minute(3), undefined]) {
      await expect(startExecution(db, { botId: BOT, opportunityId, startedAt })).rejects.toMatchObject({
        code: 'invalid_transition',
        message: `opportunity '${opportunityId}' expired at ${minute(2).toISOString()}`,
      })
    }
    expect(await statusOf(opportunityId)).toBe('open')
    await startExecution(db, { botId: BOT, opportunityId, startedAt: new Date(end - 1) })
    expect(await statusOf(opportunityId)).toBe('executing')
    const now = await startExecution(db, { botId: BOT, opportunityId: forever })
    expect(Math.abs(now.startedAt.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('are started once by an id of the caller', async () => {
    const [opportunityId, other, id] = [await made(), await made(), newId()]
    const input = { botId: BOT, opportunityId, id, startedAt: minute(1) }
    const started = await startExecution(db, input)
    expect(await startExecution(db, input)).toEqual(started)
    const { startedAt: _, ...timeless } = input
    expect(await startExecution(db, timeless)).toEqual(started)
    await expect(startExecution(db, { ...input, opportunityId: other })).rejects.toMatchObject({
      code: 'conflict',
      message: `execution '${id}' was already started with other content: opportunityId`,
    })
    expect(await statusOf(other)).toBe('open')
    await expect(startExecution(db, { ...input, startedAt: minute(0) })).rejects.toMatchObject({
      code: 'conflict',
      field: 'startedAt',
    })
    const ended = await finishExecution(db, {
      botId: BOT,
      executionId: id,
      status: 'failed',
      finishedAt: minute(1),
    })
    expect(await startExecution(db, input)).toEqual(ended)
  })

  it('of what is not there do not start', async () => {
    const opportunityId = await made()
    for (const key of [
      { botId: BOT, opportunityId: NOBODY },
      { botId: 'other', opportunityId },
    ]) {
      await expect(startExecution(db, key)).rejects.toMatchObject({ code: 'not_found' })
    }
    await expect(startExecution(db, { botId: BOT, opportunityId: 'x' })).rejects.toMatchObject({
      field: 'opportunityId',
    })
  })

  it('end with all that was traded, to the last digit, and the same end may be told again', async () => {
    const { id: executionId, opportunityId } = await inState(db, 'pending')
    const input = {
      botId: BOT,
      executionId,
      status: 'success',
      profit: '999999999999999999999999999999.000000000000000000000000000001',
      gasUsed: '210000',
      legs: [
        legOf({ quantity: '0.000000000000000001', fee: '-0.10', feeCurrency: 'WETH', reference: '0xpool' }),
      ],
      transactionHashes: ['0xabc', '4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi', 'A/b+c=='],
      finishedAt: minute(2),
    } as const
    const ended = await finishExecution(db, input)
    expect(ended).toMatchObject({
      status: 'success',
      legs: [{ ...input.legs[0], fee: '-0.1' }],
      transactionHashes: input.transactionHashes,
      finishedAt: minute(2),
      error: null,
    })
    expect(String(ended.profit)).toBe(input.profit)
    expect(await getExecution(db, { botId: BOT, executionId })).toEqual(ended)
    expect(await statusOf(opportunityId)).toBe('executed')
    expect(await finishExecution(db, { ...input, gasUsed: '210000.0' })).toEqual(ended)
    const { finishedAt: _, ...timeless } = input
    expect(await finishExecution(db, timeless)).toEqual(ended)
    const changes = [
      [{ profit: '1' }, 'profit'],
      [{ transactionHashes: ['0xabc'] }, 'transactionHashes'],
      [{ status: 'partial' }, 'status'],
      [{ finishedAt: minute(3) }, 'finishedAt'],
    ] as const
    for (const [change, field] of changes) {
      await expect(finishExecution(db, { ...input, ...change })).rejects.toMatchObject({
        code: 'invalid_transition',
        field,
        message: `execution '${executionId}' has ended as success, with other content: ${field}`,
      })
    }
  })

  it.each([
    ['status', { status: 'pending' }],
    ['status', { status: 'completed' }],
    ['profit', { status: 'success' }],
    ['profit', { status: 'partial' }],
    ['profit', { status: 'failed', profit: 'NaN' }],
    ['gasUsed', { gasUsed: '-1' }],
    ['legs', { legs: [legOf({ side: 'both' as never })] }],
    ['transactionHashes', { transactionHashes: 'x' }],
    ['transactionHashes[1]', { transactionHashes: ['x', ''] }],
    ['transactionHashes[0]', { transactionHashes: ['0x1\\'] }],
    ['transactionHashes[0]', { transactionHashes: ['0x1 0x2'] }],
    ['error', { error: ' ' }],
    ['finishedAt', { finishedAt: new Date('x') }],
  ])('refuse an end that cannot be stored, naming %s (%#)', async (field, over) => {
    const { id, opportunityId } = await inState(db, 'pending')
    await expect(
      finishExecution(db, { botId: BOT, executionId: id, status: 'failed', ...over } as never),
    ).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await statusOf(opportunityId)).toBe('executing')
  })

  it('do not end before they start, nor what is not there', async () => {
    const { id } = await inState(db, 'pending')
    const ended = { botId: BOT, status: 'failed' } as const
    await expect(
      finishExecution(db, { ...ended, executionId: id, finishedAt: minute(0) }),
    ).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(finishExecution(db, { ...ended, executionId: NOBODY })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(finishExecution(db, { ...ended, botId: 'other', executionId: id })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it.each(EXECUTION_STATUSES.flatMap((from) => EXECUTION_STATUSES.map((to) => [from, to] as const)))(
    'go from %s to %s only where it is a step, by the verb and by plain SQL',
    async (from, to) => {
      const allowed = from === 'pending' && to !== 'pending'
      const { id, opportunityId } = await inState(db, from)
      const profit = to === 'success' || to === 'partial' ? sql`7` : sql`null`
      const finishedAt = to === 'pending' ? sql`null` : sql`${minute(1).toISOString()}::timestamptz`
      const bySql = withRollback(db, async (tx) => {
        await query(
          tx,
          sql`update arbitrage.executions set status = ${to}, profit = ${profit}, finished_at = ${finishedAt} where bot_id = ${BOT} and id = ${id}`,
        )
        return (await getOpportunity(tx, { botId: BOT, opportunityId })).status
      })
      if (allowed) expect(await bySql).toBe(to === 'failed' ? 'failed' : 'executed')
      // Nothing changes where the end is the same.
      else if (from === 'pending' || (from === 'failed' && to === 'failed')) await bySql
      else await expect(bySql).rejects.toMatchObject({ code: 'invalid_transition' })

      if (to === 'pending') return
      const byVerb = finishExecution(db, {
        botId: BOT,
        executionId: id,
        ...OUTCOMES[to],
        finishedAt: minute(1),
      })
      if (allowed || from === to) {
        expect(await byVerb).toMatchObject({ status: to })
        expect(await statusOf(opportunityId)).toBe(to === 'failed' ? 'failed' : 'executed')
      } else await expect(byVerb).rejects.toMatchObject({ code: 'invalid_transition' })
    },
  )

  it.each(OPPORTUNITY_STATUSES.flatMap((from) => OPPORTUNITY_STATUSES.map((to) => [from, to] as const)))(
    'lead their opportunity from %s to %s only where it is a step, by the verbs and by plain SQL',
    async (from, to) => {
      await withRollback(db, async (tx) => {
        const id = await opportunityIn(tx, from)
        const other = (await inState(tx, 'pending')).id
        const key = { botId: BOT, opportunityId: id }
        expect((await getOpportunity(tx, key)).status).toBe(from)
        // Without an execution of its own that says so, nothing but the end of its time is a step.
        const execution =
          to === 'open' || to === 'expired' ? sql`null` : sql`coalesce(execution_id, ${other}::uuid)`
        const bySql = withRollback(tx, async (inner) => {
          await query(
            inner,
            sql`update arbitrage.opportunities set status = ${to}, execution_id = ${execution} where bot_id = ${BOT} and id = ${id}`,
          )
          return 'done'
        })
        if (from === to || (from === 'open' && to === 'expired')) expect(await bySql).toBe('done')
        else await expect(bySql, 'sql').rejects.toMatchObject({ code: 'invalid_transition' })

        if (to === 'executing') {
          const start = withRollback(tx, (inner) => startExecution(inner, { ...key, startedAt: minute(1) }))
          if (from === 'open') expect(await start).toMatchObject({ status: 'pending' })
          else await expect(start).rejects.toMatchObject({ code: 'invalid_transition' })
          const plain = withRollback(tx, (inner) =>
            query(
              inner,
              sql`insert into arbitrage.executions (bot_id, id, opportunity_id, started_at) values (${BOT}, ${newId()}, ${id}, ${minute(1).toISOString()})`,
            ),
          )
          if (from === 'open') await plain
          else
            await expect(plain).rejects.toMatchObject({
              code: from === 'expired' ? 'invalid_transition' : 'conflict',
            })
        }
        if (to === 'expired') {
          const expired = (await expireOpportunities(tx, { botId: BOT, now: minute(9), limit: 1000 })).map(
            (one) => one.id,
          )
          expect(expired.includes(id)).toBe(from === 'open')
        }
      })
    },
  )

  it('are kept to the rules by the database itself', async () => {
    const { id, opportunityId } = await inState(db, 'pending')
    const open = await made()
    const now = minute(1).toISOString()
    const insert = (status: string, at: Date) =>
      sql`insert into arbitrage.executions (bot_id, id, opportunity_id, status, started_at) values (${BOT}, ${newId()}, ${open}, ${status}, ${at.toISOString()})`
    const refused = [
      [insert('pending', minute(2)), 'invalid_transition'],
      [insert('failed', minute(1)), 'invalid_transition'],
      [sql`update arbitrage.executions set status = 'done' where id = ${id}`, 'invalid_input'],
      [
        sql`update arbitrage.executions set status = 'success', finished_at = ${now} where id = ${id}`,
        'invalid_input',
      ],
      [sql`update arbitrage.executions set status = 'failed' where id = ${id}`, 'invalid_input'],
      [
        sql`update arbitrage.executions set status = 'failed', profit = 'NaN', finished_at = ${now} where id = ${id}`,
        'invalid_input',
      ],
      [sql`update arbitrage.executions set opportunity_id = ${open} where id = ${id}`, 'invalid_input'],
      [
        sql`update arbitrage.executions set started_at = started_at - interval '1 s' where id = ${id}`,
        'invalid_input',
      ],
      [
        sql`update arbitrage.executions set transaction_hashes = array[null]::text[] where id = ${id}`,
        'invalid_input',
      ],
      [sql`delete from arbitrage.executions where id = ${id}`, 'invalid_input'],
      [sql`truncate arbitrage.executions cascade`, 'invalid_input'],
      [sql`update arbitrage.opportunities set buy_price = 1 where id = ${opportunityId}`, 'invalid_input'],
      [sql`update arbitrage.opportunities set expires_at = null where id = ${open}`, 'invalid_input'],
      [sql`delete from arbitrage.opportunities where id = ${open}`, 'invalid_input'],
      [sql`truncate arbitrage.opportunities cascade`, 'invalid_input'],
    ] as const
    for (const [i, [statement, code]] of refused.entries()) {
      await expect(query(db, statement), String(i)).rejects.toMatchObject({ code })
    }
    const forever = await made({ expiresAt: undefined })
    await expect(
      query(db, sql`update arbitrage.opportunities set status = 'expired' where id = ${forever}`),
    ).rejects.toMatchObject({ code: 'invalid_input' })
    // What becomes known while it runs may be written down.
    await query(db, sql`update arbitrage.executions set transaction_hashes = array['0x1'] where id = ${id}`)
  })

  it('are listed newest first, in pages, by status', async () => {
    const botId = 'other'
    const ids: string[] = []
    for (const at of [0, 1, 1]) {
      const { id } = await recordOpportunity(db, opportunityOf(botId))
      ids.unshift((await startExecution(db, { botId, opportunityId: id, startedAt: minute(at) })).id)
    }
    await finishExecution(db, { botId, executionId: ids[1] ?? '', status: 'failed', error: 'reverted' })
    const list = async (input: Partial<Parameters<typeof listExecutions>[1]> = {}) =>
      (await listExecutions(db, { botId, ...input })).map(({ id }) => id)
    expect(await list()).toEqual(ids)
    const [first] = await listExecutions(db, { botId, limit: 1 })
    expect(await list({ after: first })).toEqual(ids.slice(1))
    expect(await list({ status: 'failed' })).toEqual(ids.slice(1, 2))
    expect(await list({ until: minute(1) })).toEqual(ids.slice(2))
    expect(await list({ from: minute(1) })).toEqual(ids.slice(0, 2))
    await expect(list({ status: 'x' as never })).rejects.toMatchObject({ field: 'status' })
  })
})
