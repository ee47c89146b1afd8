import type { LlmAnalysis } from '../analysis/llm-analyses.ts'
import {
  decisionChecks,
  decisions,
  llmAnalyses,
  mlPredictions,
  technicalSignals,
} from '../analysis/schema/index.ts'
import { decisionHistory } from '../audit/schema.ts'
import { tradeIdeas } from '../ideas/schema/index.ts'
import { type RowDocument, readRow, readRows } from '../snapshots/documents.ts'
import { readDocument, type SnapshotDocument } from '../snapshots/reads.ts'
import { signals } from '../strategy/schema/index.ts'
import { fills } from '../trading/schema/fills.ts'
import { orderEvents, orders } from '../trading/schema/orders.ts'
import { positions } from '../trading/schema/positions.ts'
import type {
  DecisionReplay,
  PositionPart,
  ReplayedApproval,
  ReplayedEvidence,
  ReplayedPosition,
} from './decision-replay.ts'

interface EvidenceDocument {
  readonly ordinal: number
  readonly source: ReplayedEvidence['source']
  readonly says: ReplayedEvidence['says']
  readonly weight: number | null
  readonly score: number | null
  readonly piece: RowDocument
}

/** What the statement of `replayDecision` returns: rows with their numbers as text. */
export interface ReplayDocument {
  readonly decision: RowDocument
  readonly evidence: readonly EvidenceDocument[]
  readonly checks: readonly RowDocument[]
  readonly snapshot: SnapshotDocument | null
  readonly ideas: readonly RowDocument[]
  readonly history: readonly RowDocument[]
  readonly orders: readonly RowDocument[]
  readonly events: readonly RowDocument[]
  readonly fills: readonly RowDocument[]
  readonly positions: readonly RowDocument[]
}

/** Makes rows of the documents, and says what each fill did to which position. */
export function readReplay(document: ReplayDocument): DecisionReplay {
  const history = readRows(decisionHistory, document.history)
  const ownOrders = readRows(orders, document.orders)
  const events = readRows(orderEvents, document.events)
  const ownFills = readRows(fills, document.fills)
  return {
    decision: readRow(decisions, document.decision),
    evidence: document.evidence.map(readEvidence),
    checks: readRows(decisionChecks, document.checks),
    snapshot: document.snapshot && readDocument(document.snapshot),
    ideas: readRows(tradeIdeas, document.ideas),
    history,
    approvals: approvalsOf(history, document.ideas),
    orders: ownOrders.map((order) => ({
      order,
      events: events.filter(({ orderId }) => orderId === order.id),
      fills: ownFills.filter(({ orderId }) => orderId === order.id),
    })),
    positions: readRows(positions, document.positions).map((position) => replayed(position, ownFills)),
  }
}

function readEvidence({ source, piece, ...rest }: EvidenceDocument): ReplayedEvidence {
  if (source === 'technical') return { ...rest, source, technicalSignal: readRow(technicalSignals, piece) }
  if (source === 'model') return { ...rest, source, mlPrediction: readRow(mlPredictions, piece) }
  if (source === 'signal') return { ...rest, source, signal: readRow(signals, piece) }
  return { ...rest, source, llmAnalysis: withoutTexts(readRow(llmAnalyses, piece)) }
}

/** The statement left the texts out; so does the row. */
function withoutTexts(analysis: typeof llmAnalyses.$inferSelect): LlmAnalysis {
  const { prompt: _1, response: _2, responseJson: _3, ...rest } = analysis
  const { promptCiphertext: _4, responseCiphertext: _5, responseJsonCiphertext: _6, ...bare } = rest
  return bare
}

/** Who approved is written in the history; of an idea that names its user, so is the user. */
function approvalsOf(
  history: DecisionReplay['history'],
  ideas: readonly RowDocument[],
): readonly ReplayedApproval[] {
  return history
    .filter(({ action }) => action === 'human_approved')
    .map(({ actor, tradeIdeaId, occurredAt }) => {
      const idea = ideas.find(({ id }) => id === tradeIdeaId)
      const decidedBy = idea?.decided_by
      const email = idea?.decided_by_email
      return {
        actor,
        userId: typeof decidedBy === 'string' ? decidedBy : null,
        email: typeof email === 'string' ? email : null,
        tradeIdeaId,
        approvedAt: occurredAt,
      }
    })
}

type Position = typeof positions.$inferSelect
type Fill = typeof fills.$inferSelect

function replayed(position: Position, ownFills: readonly Fill[]): ReplayedPosition {
  const parts = new Set(ownFills.flatMap((fill) => partsOf(position, fill)))
  const isOpen = position.closedAt === null
  return {
    position,
    parts: (['opened', 'added', 'reduced', 'closed'] as const).filter((part) => parts.has(part)),
    netPnl: isOpen ? null : position.netPnl,
    unrealisedPnl: isOpen ? position.unrealisedPnl : null,
  }
}

const namePart = (text: string) => text.replaceAll('%', '%25').replaceAll(':', '%3A')

/** A round trip is named after the fill that opened it. */
function opens(position: Position, { exchange, symbol, side, exchangeTradeId }: Fill): boolean {
  return position.tradeId === [namePart(exchange), namePart(symbol), side, exchangeTradeId].join(':')
}

function partsOf(position: Position, fill: Fill): PositionPart[] {
  if (opens(position, fill)) return ['opened']
  if (fill.positionId !== position.id) return []
  const isEntry = (fill.side === 'buy') === (position.direction === 'long')
  if (isEntry) return ['added']
  // The fill that flips a position, and the last of one that is flat, closed it.
  const isLast = fill.openedPositionId !== null || fill.executedAt.getTime() === position.closedAt?.getTime()
  return isLast ? ['closed'] : ['reduced']
}
