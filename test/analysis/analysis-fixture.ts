import { sql } from 'drizzle-orm'
import {
  type KeyRing,
  type RecordDecisionInput,
  type RecordLlmAnalysisInput,
  type RecordMlPredictionInput,
  type RecordTechnicalSignalInput,
  readKeyRing,
} from '../../src/analysis/index.ts'
import type { Database } from '../../src/db/database.ts'
import { query } from '../trading/ledger-fixture.ts'

export const NOBODY = '01890000-0000-7000-8000-000000000000'
export const AT = new Date('2026-03-01T10:00:00.123Z')

/** The key of a ring in tests: 32 bytes of one value. */
export const keyOf = (byte: number) => Buffer.alloc(32, byte).toString('base64')
export const ringOf = (...ids: number[]): KeyRing =>
  readKeyRing(ids.map((id) => `k${id}:${keyOf(id)}`).join(','))

export function signalOf(
  botId: string,
  given: Partial<RecordTechnicalSignalInput> = {},
): RecordTechnicalSignalInput {
  return {
    botId,
    symbol: 'BTC',
    timeframe: '1h',
    signal: 'bullish',
    confidence: 0.75,
    indicators: { RSI: { signal: 'bullish', value: 65 }, MACD: { signal: 'bearish', histogram: -0.5 } },
    ...given,
  }
}

export function predictionOf(
  botId: string,
  given: Partial<RecordMlPredictionInput> = {},
): RecordMlPredictionInput {
  return { botId, symbol: 'BTC', action: 'long', confidence: 0.6, modelVersion: 'v7', ...given }
}

export function analysisOf(
  botId: string,
  given: Partial<RecordLlmAnalysisInput> = {},
): RecordLlmAnalysisInput {
  return { botId, symbol: 'BTC', kind: 'sentiment', model: 'large-1', sentiment: 'bullish', ...given }
}

export function decisionOf(botId: string, given: Partial<RecordDecisionInput> = {}): RecordDecisionInput {
  return {
    botId,
    symbol: 'BTC',
    intendedAction: 'long',
    confidence: 0.7,
    reasons: [{ source: 'technical', signal: 'bullish', weight: 0.4 }],
    ...given,
  }
}

/** Every row of every table, as text, and its bytes as what they spell. */
export async function everythingStored(db: Database): Promise<string> {
  const tables = await query(
    db,
    sql`select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema')`,
  )
  const texts: string[] = []
  for (const { name } of tables) {
    const rows = await query(db, sql`select t::text as row from ${sql.raw(String(name))} t`)
    texts.push(...rows.map(({ row }) => String(row)))
  }
  const text = texts.join('\n')
  const spelled = [...text.matchAll(/\\\\?x([0-9a-f]+)/g)].map(([, hex]) =>
    Buffer.from(hex ?? '', 'hex').toString('latin1'),
  )
  return `${text}\n${spelled.join('\n')}`
}
