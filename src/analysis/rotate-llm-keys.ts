import { type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { readLimit } from '../db/page.ts'
import { only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import type { KeyRing } from './key-ring.ts'
import { openContent, type StoredLlmContent, storedContent } from './llm-content.ts'
import { llmAnalyses } from './schema/analyses.ts'

export interface RotateLlmKeysInput {
  /** Every bot if left out. */
  readonly botId?: string | undefined
  /** Encrypts under its current key, and needs those under which anything is encrypted still. */
  readonly keyRing: KeyRing
  /** Rows at most: 1 to 1,000, 100 if left out. */
  readonly limit?: number
}

export interface LlmKeysRotated {
  /** Analyses that this call has encrypted under the current key. */
  readonly rotated: number
  /** Analyses that are not yet. */
  readonly remaining: number
}

const CONTENT = [
  'prompt',
  'response',
  'responseJson',
  'promptCiphertext',
  'responseCiphertext',
  'responseJsonCiphertext',
  'keyId',
] as const
const SEALED = ['promptCiphertext', 'responseCiphertext', 'responseJsonCiphertext'] as const

/** Written as the index has it: what has a prompt or a response, under no key or another one. */
const isDue = (slot: (value: 'botId' | 'keyId') => SQL): SQL => sql`
  num_nonnulls(prompt, response, response_json, prompt_ciphertext, response_ciphertext, response_json_ciphertext) > 0
  and (key_id is null or key_id < ${slot('keyId')} or key_id > ${slot('keyId')})
  and (${slot('botId')}::text is null or bot_id = ${slot('botId')})`

interface DueRow extends StoredLlmContent {
  readonly botId: string
  readonly id: string
}

const dueStatement: PreparedStatement<DueRow, 'botId' | 'keyId' | 'limit'> = sqlStatement(
  'rotateLlmKeys.read',
  (slot) => {
    const keys = ['botId', 'id', ...CONTENT] as const
    return {
      query: sql`
        select ${sql.join(
          keys.map((key) => sql.identifier(llmAnalyses[key].name)),
          sql`, `,
        )} from analysis.llm_analyses
        where ${isDue(slot)} order by bot_id, id limit ${slot('limit')}::integer`,
      fields: Object.fromEntries(keys.map((key) => [key, llmAnalyses[key]])),
    }
  },
)

type WriteSlot = 'botIds' | 'ids' | 'formerKeyIds' | 'keyId' | (typeof SEALED)[number]

/** Each row only as it was read: whoever was faster has encrypted it already. In order, so that two calls never wait for each other. */
const writeStatement: PreparedStatement<{ rotated: number }, WriteSlot> = sqlStatement(
  'rotateLlmKeys',
  (slot) => ({
    query: sql`
      with given as materialized (
        select * from unnest(${slot('botIds')}::text[], ${slot('ids')}::uuid[], ${slot('formerKeyIds')}::text[],
          ${sql.join(
            SEALED.map((key) => sql`${slot(key)}::text[]`),
            sql`, `,
          )})
        as given (bot_id, id, former_key_id, prompt, response, response_json)),
      locked as materialized (
        select given.* from analysis.llm_analyses stored
        join given on given.bot_id = stored.bot_id and given.id = stored.id
        where stored.key_id is not distinct from given.former_key_id
        order by stored.bot_id, stored.id for no key update of stored),
      rotated as (
        update analysis.llm_analyses a
        set prompt = null, response = null, response_json = null, key_id = ${slot('keyId')},
          prompt_ciphertext = decode(l.prompt, 'hex'), response_ciphertext = decode(l.response, 'hex'),
          response_json_ciphertext = decode(l.response_json, 'hex')
        from locked l
        where a.bot_id = l.bot_id and a.id = l.id and a.key_id is not distinct from l.former_key_id
        returning 1)
      select count(*)::integer from rotated`,
    fields: { rotated: sql<number>`rotated` },
  }),
)

const countStatement: PreparedStatement<{ remaining: number }, 'botId' | 'keyId'> = sqlStatement(
  'rotateLlmKeys.count',
  (slot) => ({
    query: sql`select count(*)::integer from analysis.llm_analyses where ${isDue(slot)}`,
    fields: { remaining: sql<number>`remaining` },
  }),
)

/**
 * Encrypts prompts and responses under the current key: those under another key, and those that are readable still. Says how
 * many it has done and how many are left; call it until none is.
 *
 * Safe to repeat and to run twice at a time: each analysis is encrypted anew once. What was readable before stays in backups,
 * and in the files of the table until the next vacuum.
 *
 * @throws `config` naming the key, if the key ring lacks one that is needed or has another of that name. Nothing is changed then.
 * @throws `invalid_input` naming the field.
 */
export async function rotateLlmKeys(db: Database, input: RotateLlmKeysInput): Promise<LlmKeysRotated> {
  const { keyRing } = input
  const keyId = keyRing.currentKeyId
  const botId = input.botId === undefined ? null : toName(input.botId, 'botId')
  const due = await dueStatement.run(db, { botId, keyId, limit: readLimit(input.limit) })
  const rotated = due.length === 0 ? 0 : await rotate(db, due, keyRing)
  const left = only('rotateLlmKeys.count', await countStatement.run(db, { botId, keyId }))
  return { rotated, remaining: left?.remaining ?? 0 }
}

async function rotate(db: Database, due: readonly DueRow[], keyRing: KeyRing): Promise<number> {
  const sealed = due.map((row) => storedContent(openContent(row, row, keyRing), row, keyRing))
  const hexOf = (key: (typeof SEALED)[number]) =>
    sealed.map((content) => content[key]?.toString('hex') ?? null)
  const rows = await writeStatement.run(db, {
    botIds: due.map((row) => row.botId),
    ids: due.map((row) => row.id),
    formerKeyIds: due.map((row) => row.keyId),
    keyId: keyRing.currentKeyId,
    promptCiphertext: hexOf('promptCiphertext'),
    responseCiphertext: hexOf('responseCiphertext'),
    responseJsonCiphertext: hexOf('responseJsonCiphertext'),
  })
  return only('rotateLlmKeys', rows)?.rotated ?? 0
}
