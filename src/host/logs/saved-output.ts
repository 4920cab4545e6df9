/**
 * What a keeper saved of its instance's output, when the instance ended and no collector was alive: it becomes a segment of the log by
 * its name, so that it is there once, whenever the process that takes it over is killed.
 */

import { readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'

import { bootMs } from '../../system/process-stat.ts'
import type { SegmentWriter } from './segment-writer.ts'

/** The keeper writes it last, after a newline of its own. */
const endPattern = /\ndaruma: this was the output of keeper \d+\n$/

export function adoptRest(directory: string, epoch: number, log: SegmentWriter): void {
  const path = `${directory}/${epoch}.rest`
  const text = readFileSync(path, 'latin1')
  // Without its end, where the end did not fit any more, or was taken off by a collector that was killed here.
  const end = endPattern.exec(text)
  if (end !== null) truncateSync(path, end.index)
  const { mtimeMs, size } = statSync(path)
  if (size === 0) return rmSync(path)
  const stamp = { wallMs: mtimeMs, bootMs: bootMs() - (Date.now() - mtimeMs), epoch, dropped: 0 }
  log.adopt(stamp, (segment) => renameSync(path, segment))
}
