export { type CapturedSnapshot, type CaptureSnapshotInput, captureSnapshot } from './capture.ts'
export {
  type GetSnapshotInput,
  getSnapshot,
  type ListSnapshotsInput,
  listSnapshots,
  type Snapshot,
  type SnapshotAccount,
  type SnapshotBundle,
  type SnapshotCalendarEvent,
  type SnapshotIndicators,
  type SnapshotMarket,
  type SnapshotNews,
} from './reads.ts'
export {
  MISSING_WHYS,
  type MissingFromSnapshot,
  missingListSchema,
  SNAPSHOT_REASONS,
  SNAPSHOT_SOURCES,
  type SnapshotReason,
} from './schema/bundles.ts'
