import { sql } from 'drizzle-orm'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import {
  type IdeaOutcome,
  type ProposeTradeIdeaInput,
  proposeTradeIdea,
  resumeAutoTrading,
} from '../../src/ideas/index.ts'
import type { RiskCaps, SessionWindow } from '../../src/strategy/schema/rules.ts'
import { NOW } from '../risk/closures.ts'
import { fresh, makeTrader } from '../risk/gate-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'

export type Role = 'viewer' | 'operator' | 'approver' | 'admin'

/** Stores a user who never logs in, and returns the id. */
export async function makeUser(db: Database, role: Role = 'approver', isActive = true): Promise<string> {
  const id = newId()
  await query(
    db,
    sql`insert into access.users (id, email, role, is_active, password_hash, changed_by)
      values (${id}::uuid, ${`${fresh('user')}@example.org`}, ${role}, ${isActive}::boolean, '$argon2id$none', 'test')`,
  )
  return id
}

export interface Strategy {
  readonly status?: 'active' | 'paused' | 'archived' | 'paper' | 'draft'
  readonly allowedSymbols?: readonly string[]
  readonly windows?: readonly SessionWindow[]
  readonly caps?: RiskCaps
  readonly forbidden?: Record<string, unknown>
}

/** Stores a strategy, active unless said otherwise, and returns its id. */
export async function makeStrategy(db: Database, over: Strategy = {}): Promise<string> {
  const id = newId()
  const symbols = over.allowedSymbols ? `{${over.allowedSymbols.join(',')}}` : null
  await query(
    db,
    sql`insert into strategy.strategies (id, name, kind, changed_by, status, allowed_symbols, session_windows, risk_caps, forbidden_conditions)
      values (${id}::uuid, ${fresh('strategy')}, 'test', 'test', ${over.status ?? 'active'}, ${symbols}::text[],
        ${JSON.stringify(over.windows ?? [])}::jsonb, ${JSON.stringify(over.caps ?? {})}::jsonb,
        ${JSON.stringify(over.forbidden ?? {})}::jsonb)`,
  )
  return id
}

/** Stores a snapshot in which nothing is, and returns its id. */
export async function makeSnapshot(db: Database, botId: string): Promise<string> {
  const id = newId()
  await query(
    db,
    sql`insert into snapshots.bundles (bot_id, id, reason, exchange, symbols, timeframes, calendar_hours, news_hours, captured_at,
        recorded_until, missing)
      values (${botId}, ${id}::uuid, 'trade_idea', 'x', '{BTC}', '{1h}', 1, 1, now(), now(), '[]')`,
  )
  return id
}

/** Stores a decision to go long, and returns its id. */
export async function makeDecision(
  db: Database,
  botId: string,
  strategyId: string | null = null,
): Promise<string> {
  const id = newId()
  await query(
    db,
    sql`insert into analysis.decisions (bot_id, id, symbol, intended_action, confidence, reasons, strategy_id)
      values (${botId}, ${id}::uuid, 'BTC', 'long', 0.9, '[]', ${strategyId}::uuid)`,
  )
  return id
}

/** Switches automatic trading on, by an admin. */
export async function resume(db: Database, botId: string): Promise<void> {
  await resumeAutoTrading(db, { botId, userId: await makeUser(db, 'admin'), reason: 'test' })
}

/** An idea that nothing is against, where automatic trading is on and its strategy is active. */
export function ideaOf(
  botId: string,
  snapshotId: string,
  terms: Partial<ProposeTradeIdeaInput> = {},
): ProposeTradeIdeaInput {
  return {
    ...{ botId, snapshotId, id: newId(), symbol: 'BTC', direction: 'long', orderType: 'limit' },
    ...{ quantity: '1', entryPrice: '100', stopLoss: '90', targets: ['110', '120.5'] },
    ...{ rationale: 'it goes up', confidence: 0.95, ...terms },
  }
}

export interface Step {
  readonly action: string
  readonly actor: string
  readonly symbol: string | null
  readonly rationale: string
  readonly result: string | null
  readonly override: boolean
  readonly ideaId: string | null
  readonly orderId: string | null
  readonly details: Record<string, unknown>
}

/** What is written down of a bot, first what was written first. */
export async function historyOf(db: Database, botId: string): Promise<Step[]> {
  const rows = await query(
    db,
    sql`select action, actor, symbol, rationale, risk_check_result as result, human_override as override, trade_idea_id::text as "ideaId",
        order_id::text as "orderId", details::text as details
      from audit.decision_history where bot_id = ${botId} order by id`,
  )
  return rows.map((row) => ({ ...row, details: JSON.parse(String(row.details)) })) as unknown as Step[]
}

export async function actionsOf(db: Database, botId: string): Promise<string[]> {
  return (await historyOf(db, botId)).map(({ action }) => action)
}

/** Expects the database to refuse a statement, with a message. */
export async function refused(
  db: Database,
  statement: ReturnType<typeof sql>,
  message: RegExp,
  code?: string,
) {
  const outcome = query(db, statement)
  await expect(outcome).rejects.toThrow(message)
  if (code) await expect(outcome).rejects.toMatchObject({ code })
}

export interface Subject {
  readonly botId: string
  readonly snapshotId: string
  readonly strategyId: string | undefined
  readonly propose: (terms?: Partial<ProposeTradeIdeaInput>) => Promise<IdeaOutcome>
}

/** A bot whose ideas are executed, in a past of its own. Its ideas follow the strategy, or none. */
export async function makeSubject(db: Database, strategy: Strategy | null = {}): Promise<Subject> {
  const botId = await makeTrader(db, { mode: 'backtest' })
  const snapshotId = await makeSnapshot(db, botId)
  await resume(db, botId)
  const strategyId = strategy === null ? undefined : await makeStrategy(db, strategy)
  return {
    ...{ botId, snapshotId, strategyId },
    propose: (terms = {}) =>
      proposeTradeIdea(db, ideaOf(botId, snapshotId, { strategyId, now: NOW, ...terms })),
  }
}

/** What stood against an idea. */
export function reasonsOf(outcome: IdeaOutcome): string[] {
  return outcome.executed ? [] : outcome.blocks.map(({ code }) => code as string).sort()
}
