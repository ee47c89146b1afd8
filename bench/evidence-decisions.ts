import {
  type RecordDecisionInput,
  recordDecision,
  recordLlmAnalysis,
  recordMlPrediction,
  recordTechnicalSignal,
} from 'tradeblotter'
import { v7 as uuidv7 } from 'uuid'
import type { Bench } from './cases.ts'
import { prepareBot, SYMBOL } from './fixture.ts'
import { compare, type Measured } from './measure.ts'

const ROUNDS = { warmUp: 4_000, rounds: 8_000 }
const CHECKS = 10

/** A decision on three pieces of evidence, with ten risk checks, against one hand-written statement. */
export async function benchRecordDecision({ db, sql, run }: Bench): Promise<Measured> {
  const botId = await prepareBot(db, `decider-${run}`)
  const market = { botId, symbol: SYMBOL, confidence: 0.7 } as const
  const { id: technical } = await recordTechnicalSignal(db, {
    ...market,
    timeframe: '1h',
    signal: 'bullish',
    indicators: { RSI: { signal: 'bullish', value: 65 } },
  })
  const { id: llm } = await recordLlmAnalysis(db, {
    ...market,
    kind: 'sentiment',
    model: 'large-1',
    sentiment: 'bullish',
  })
  const { id: model } = await recordMlPrediction(db, { ...market, action: 'long', modelVersion: 'v7' })
  const decisionOf = (round: number): RecordDecisionInput => ({
    ...market,
    intendedAction: 'long',
    quantity: '0.0125',
    leverage: '3',
    stopLoss: '41000.5',
    takeProfit: '45000',
    entryPrice: `${42_000 + (round % 977)}.10`,
    reasons: [
      { source: 'technical', signal: 'bullish', weight: 0.4 },
      { source: 'llm', signal: 'bullish', weight: 0.25 },
      { source: 'model', signal: 'bullish', weight: 0.35 },
    ],
    latencyMs: 230,
    evidence: [
      { source: 'technical', id: technical, says: 'bullish', weight: 0.4, score: 0.75 },
      { source: 'llm', id: llm, says: 'bullish', weight: 0.25, score: 0.5 },
      { source: 'model', id: model, says: 'bullish', weight: 0.35, score: 0.6 },
    ],
    checks: Array.from({ length: CHECKS }, (_, n) => ({
      code: `check_${n}`,
      passed: true,
      threshold: '0.08',
      actual: `0.0${n}1`,
      unit: 'fraction',
    })),
  })

  // What a careful person writes: the decision as parameters, its evidence and its checks as one JSON text each.
  async function recordByHand(decision: RecordDecisionInput): Promise<unknown> {
    const { evidence = [], checks = [] } = decision
    return await sql`
      with d as (
        insert into analysis.decisions (bot_id, id, symbol, intended_action, confidence, quantity, leverage, stop_loss,
          take_profit, entry_price, reasons, latency_ms)
        values (${botId}, ${uuidv7()}, ${decision.symbol}, ${decision.intendedAction}, ${decision.confidence},
          ${String(decision.quantity)}, ${String(decision.leverage)}, ${String(decision.stopLoss)},
          ${String(decision.takeProfit)}, ${String(decision.entryPrice)}, ${JSON.stringify(decision.reasons)}::text::jsonb,
          ${decision.latencyMs ?? null})
        on conflict do nothing returning *),
      e as (
        insert into analysis.decision_evidence (bot_id, decision_id, ordinal, source, technical_signal_id, llm_analysis_id,
          ml_prediction_id, says, weight, score)
        select d.bot_id, d.id, x.ordinal, x.source, x.technical, x.llm, x.model, x.says, x.weight, x.score
        from d, json_to_recordset(${JSON.stringify(
          evidence.map(({ source, id, says, weight, score }, i) => ({
            ordinal: i + 1,
            source,
            [source]: id,
            says,
            weight,
            score,
          })),
        )}::text::json) as x (ordinal integer, source text, technical uuid, llm uuid, model uuid, says text,
          weight double precision, score double precision)),
      c as (
        insert into analysis.decision_checks (bot_id, decision_id, ordinal, code, passed, threshold, actual, unit)
        select d.bot_id, d.id, x.ordinal, x.code, x.passed, x.threshold, x.actual, x.unit
        from d, json_to_recordset(${JSON.stringify(
          checks.map(({ code, passed, threshold, actual, unit }, i) => ({
            ordinal: i + 1,
            code,
            passed,
            threshold,
            actual,
            unit,
          })),
        )}::text::json) as x (ordinal integer, code text, passed boolean, threshold numeric, actual numeric, unit text))
      select * from d`
  }

  return await compare('recordDecision, 3 pieces of evidence, 10 checks', {
    ...ROUNDS,
    floor: (round) => recordByHand(decisionOf(round)),
    ours: (round) => recordDecision(db, decisionOf(round)),
  })
}
