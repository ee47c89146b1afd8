import { createHash } from 'node:crypto'
import { asc, eq } from 'drizzle-orm'
import { z } from 'zod'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { DataError } from '../db/errors.ts'
import { many } from '../db/rows.ts'
import { auditChains } from './schema.ts'

const DIGEST = /^[0-9a-f]{64}$/

/** Where every chain of audit rows ended at one moment: JSON, to be kept where whoever owns the database cannot reach it. */
export const auditAnchorSchema = z.strictObject({
  format: z.literal(1),
  /** When, as ISO. */
  exportedAt: z.iso.datetime(),
  chains: z.array(
    z.strictObject({
      botId: z.string().min(1),
      chain: z.string().regex(/^(?:risk_events:.+|system_events|decision_history)$/),
      /** Of rows. */
      length: z.int().positive(),
      /** Of the last row. */
      hash: z.string().regex(DIGEST),
    }),
  ),
  /** Of all the rest, so that a damaged file is known from a damaged database. */
  digest: z.string().regex(DIGEST),
})
export type AuditAnchor = z.output<typeof auditAnchorSchema>

export interface ExportAuditAnchorInput {
  /** Only the chains of this bot; `*` for those of the fleet. All chains if left out. */
  readonly botId?: string | undefined
}

/**
 * Returns where every chain of audit rows ends now. Kept elsewhere, it proves to `verifyAuditTrail` later that no row up to here was cut off or
 * written anew. It is JSON and holds no content of any row.
 */
export async function exportAuditAnchor(
  db: Database,
  input: ExportAuditAnchorInput = {},
): Promise<AuditAnchor> {
  const rows = await many(
    'exportAuditAnchor',
    db
      .select({
        botId: auditChains.botId,
        chain: auditChains.chain,
        length: auditChains.length,
        hash: auditChains.hash,
      })
      .from(auditChains)
      .where(input.botId === undefined ? undefined : eq(auditChains.botId, toName(input.botId, 'botId')))
      .orderBy(asc(auditChains.botId), asc(auditChains.chain)),
  )
  const content = { format: 1 as const, exportedAt: new Date().toISOString(), chains: rows }
  return { ...content, digest: digestOf(content) }
}

/** Reads an anchor as it comes back from where it was kept. @throws `invalid_input` naming `anchor`. */
export function readAnchor(anchor: unknown): AuditAnchor {
  const read = auditAnchorSchema.safeParse(anchor)
  if (!read.success) {
    const issue = read.error.issues[0]
    throw invalid(
      `${issue?.path.length ? `at ${issue.path.join('.')} ` : ''}${issue?.message ?? 'is invalid'}`,
    )
  }
  const { digest, ...content } = read.data
  if (digestOf(content) !== digest)
    throw invalid('was changed since it was exported: its digest does not fit')
  return read.data
}

function invalid(why: string): DataError {
  return new DataError('invalid_input', `anchor ${why}`, { field: 'anchor' })
}

function digestOf({ format, exportedAt, chains }: Omit<AuditAnchor, 'digest'>): string {
  const ends = chains.map(({ botId, chain, length, hash }) => [botId, chain, length, hash])
  return createHash('sha256')
    .update(JSON.stringify([format, exportedAt, ends]))
    .digest('hex')
}
