/** A project gets another name, or comes from another config. Nothing that runs is touched by it. */

import type { PlannedChange } from '../config/planned-change.ts'
import type { Context } from '../context.ts'
import type { Client } from './client.ts'
import { requester } from './requester.ts'

export async function handOver(context: Context, client: Client, change: PlannedChange): Promise<void> {
  const from = change.handOver
  if (from === null) return
  const { name, stage } = change.desired
  const { id } = await client.handOver(from, { name, stage, by: requester(context, 'up', change.file) })
  client.project = id
  context.terminal.note(id === from ? `${id} comes from ${change.file} now.` : `${from} is called ${id} now.`)
}
