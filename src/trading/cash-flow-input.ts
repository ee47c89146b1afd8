import { toInstant, toLabel, toName, toOneOf } from '../db/columns.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { hashOf } from './fill-input.ts'
import type { NewFunding } from './ledger-change.ts'
import type { CashFlow } from './ledger-rows.ts'
import { POSITION_SIDES, type PositionSide } from './position-math.ts'
import { CASH_FLOW_KINDS, type CashFlowKind } from './schema/fills.ts'

/** Money that came or went without a fill, as an exchange reports it. */
export interface RecordCashFlowInput {
  readonly botId: string
  readonly exchange: string
  readonly kind: CashFlowKind
  /** In `currency`: positive when received, negative when paid. */
  readonly amount: Amount
  readonly currency: string
  readonly occurredAt: Date
  /** Needed for funding, which belongs to the position of its symbol. */
  readonly symbol?: string | undefined
  /** `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
  /**
   * The exchange's id. Without one, a flow is known by its time and amount; funding and interest by their minute, since the
   * same payment is reported with times some milliseconds apart.
   */
  readonly exchangeFlowId?: string | undefined
  readonly note?: string | undefined
}

/** A cash flow whose input was checked. */
export type CheckedFlow = NewFunding

/** @throws `invalid_input` naming the field that cannot be stored. */
export function checkCashFlowInput(input: RecordCashFlowInput): CheckedFlow {
  const kind = toOneOf(input.kind, CASH_FLOW_KINDS, 'kind')
  if (kind === 'funding' && !input.symbol) {
    throw new DataError('invalid_input', 'symbol is missing: funding belongs to the position of a symbol', {
      field: 'symbol',
    })
  }
  const flow = {
    botId: toName(input.botId, 'botId'),
    id: newId(),
    exchange: toName(input.exchange, 'exchange'),
    kind,
    symbol: input.symbol === undefined ? '' : toLabel(input.symbol, 'symbol'),
    positionSide: toOneOf(input.positionSide ?? 'net', POSITION_SIDES, 'positionSide'),
    currency: toName(input.currency, 'currency'),
    amount: toDecimal(input.amount, 'amount'),
    occurredAt: toInstant(input.occurredAt, 'occurredAt'),
    note: input.note === undefined ? null : toLabel(input.note, 'note'),
  }
  const exchangeFlowId =
    input.exchangeFlowId === undefined ? contentId(flow) : toName(input.exchangeFlowId, 'exchangeFlowId')
  return { ...flow, exchangeFlowId }
}

const CONTENT = 'content:'
const MINUTE_MS = 60_000

function contentId(flow: Pick<CheckedFlow, 'kind' | 'occurredAt' | 'amount'>): string {
  const at = flow.occurredAt.getTime()
  return isPeriodic(flow.kind)
    ? `${CONTENT}${new Date(Math.round(at / MINUTE_MS) * MINUTE_MS).toISOString()}`
    : `${CONTENT}${hashOf([String(at), flow.amount.toFixed()])}`
}

/** Paid at fixed times, so that the minute tells one from the next. */
function isPeriodic(kind: CashFlowKind): boolean {
  return kind === 'funding' || kind === 'interest'
}

/** The fields in which a report contradicts the stored flow of the same key. */
export function flowDifferences(stored: CashFlow, report: CheckedFlow): string[] {
  const differs: string[] = []
  if (!stored.amount.eq(report.amount)) differs.push('amount')
  const isBucketed = stored.exchangeFlowId.startsWith(CONTENT)
  if (!isBucketed && stored.occurredAt.getTime() !== report.occurredAt.getTime()) differs.push('occurredAt')
  return differs
}
