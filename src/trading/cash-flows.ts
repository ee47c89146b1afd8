import { and, desc, eq } from 'drizzle-orm'
import { toName, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import type { CashFlow } from './ledger-rows.ts'
import type { CashFlowConflict } from './record-cash-flows.ts'
import { CASH_FLOW_KINDS, type CashFlowKind, cashFlowConflicts, cashFlows } from './schema/fills.ts'

export interface ListCashFlowsInput extends PageInput<Pick<CashFlow, 'occurredAt' | 'id'>> {
  readonly botId: string
  readonly kind?: CashFlowKind
}

/** Returns the bot's cash flows, newest first. */
export async function listCashFlows(db: Database, input: ListCashFlowsInput): Promise<CashFlow[]> {
  const { after, kind } = input
  return await many(
    'listCashFlows',
    db
      .select()
      .from(cashFlows)
      .where(
        and(
          eq(cashFlows.botId, toName(input.botId, 'botId')),
          kind === undefined ? undefined : eq(cashFlows.kind, toOneOf(kind, CASH_FLOW_KINDS, 'kind')),
          comesAfter(cashFlows.occurredAt, cashFlows.id, after && { at: after.occurredAt, id: after.id }),
        ),
      )
      .orderBy(desc(cashFlows.occurredAt), desc(cashFlows.id))
      .limit(readLimit(input.limit)),
  )
}

export interface ListCashFlowConflictsInput extends PageInput<Pick<CashFlowConflict, 'reportedAt' | 'id'>> {
  readonly botId: string
}

/** Returns the reports that contradict a stored cash flow, newest first. */
export async function listCashFlowConflicts(
  db: Database,
  input: ListCashFlowConflictsInput,
): Promise<CashFlowConflict[]> {
  const { after } = input
  const { reportedAt, id } = cashFlowConflicts
  return await many(
    'listCashFlowConflicts',
    db
      .select()
      .from(cashFlowConflicts)
      .where(
        and(
          eq(cashFlowConflicts.botId, toName(input.botId, 'botId')),
          comesAfter(reportedAt, id, after && { at: after.reportedAt, id: after.id }),
        ),
      )
      .orderBy(desc(reportedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}
