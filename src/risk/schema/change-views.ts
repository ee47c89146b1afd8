import { uuid } from 'drizzle-orm/pg-core'
import { detailsSchema, RISK_EVENT_KINDS } from '../../audit/schema.ts'
import { counter, instant, json, label } from '../../db/columns.ts'
import { risk } from './values.ts'

/** Which risk setting was changed from what to what: a row for each field of each version. */
export const riskSettingChanges = risk
  .view('setting_changes', {
    /** `*` of the fleet's settings. */
    botId: label('bot_id').notNull(),
    version: counter('version').notNull(),
    /** As the column is called in SQL. */
    field: label('field').notNull(),
    /** As text; null where nothing was set. */
    before: label('before'),
    after: label('after'),
    changedBy: label('changed_by').notNull(),
    reason: label('reason').notNull(),
    changedAt: instant('changed_at').notNull(),
  })
  .existing()

/** What was done to the risk of bots, by whom and why; not the orders that were refused. */
export const riskAdminActions = risk
  .view('admin_actions', {
    occurredAt: instant('occurred_at').notNull(),
    /** `*` where it concerns the whole fleet. */
    botId: label('bot_id').notNull(),
    kind: label('kind', RISK_EVENT_KINDS).notNull(),
    actor: label('actor').notNull(),
    reason: label('reason'),
    subjectId: uuid('subject_id'),
    details: json('details', detailsSchema).notNull(),
  })
  .existing()
