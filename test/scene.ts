/**
 * A test on a machine with a witness: whatever the test itself asserts, at its end the witness must have seen no slot twice and no
 * epoch go back. A failure is told with the machine's own report.
 */

import assert from 'node:assert/strict'
import { Machine, type MachineOptions } from './daemon-harness.ts'
import { startWitness, violationsOf, type Witness } from './witness/index.ts'

export interface Scene {
  readonly machine: Machine
  readonly witness: Witness
}

export async function onMachine(
  play: (scene: Scene) => Promise<void>,
  options: Omit<MachineOptions, 'witness'> = {},
): Promise<void> {
  await using witness = await startWitness()
  await using machine = new Machine({ ...options, witness })
  try {
    await play({ machine, witness })
    assert.deepEqual(await violationsOf(witness), [])
  } catch (error) {
    await violationsOf(witness).catch(() => [])
    console.error(`--- the machine's report ---\n${await machine.report()}\n`)
    throw error
  }
}

/** The epochs of a slot that the witness saw, in order, each once. */
export async function epochsSeen(witness: Witness, slot: string): Promise<readonly number[]> {
  const arrivals = (await witness.history()).flatMap(({ what, copy }) =>
    what === 'arrived' && copy?.slot === slot ? [copy.epoch] : [],
  )
  return [...new Set(arrivals)]
}
