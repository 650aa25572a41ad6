/** systemd's units: which start by themselves, and which run. systemctl(1). */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { bool, exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere } from './host/files.ts'
import { complaint, findProgram, runProgram } from './host/programs.ts'

const SYSTEMCTL = ['/usr/bin/systemctl', '/bin/systemctl']
const PLAIN = ['--no-pager', '--no-legend', '--plain', '--full']
/** Devices, scopes, slices and mounts come and go with hardware and sessions; `mount.*` covers the mounts. */
const TYPES = 'service,socket,timer,path,target,automount,swap'

export interface UnitState {
  readonly name: string
  readonly load: string
  readonly active: string
  readonly sub: string
}

export const services: Probe = defineProbe('services', ['systemd.', 'unit.'], async (context) => {
  const { root } = context
  const program = root === '/' ? findProgram(SYSTEMCTL) : SYSTEMCTL.find((path) => isThere(root, path))
  // sd_booted(3): this folder is there exactly when systemd is the init system.
  const isRunning = isThere(root, '/run/systemd/system') === true && pidOneIsHere(root)
  const presence = [bool('systemd.present', program !== undefined), bool('systemd.running', isRunning)]
  if (!program) return presence
  const files = await unitFiles(context, program)
  const states = isRunning
    ? await unitStates(context, program)
    : 'systemd is not PID 1 here (a container, or another init system)'
  return [...presence, ...files.attributes, ...stateAttributes(states, files.names)]
})

/** A folder left over in an image is not a running systemd. */
function pidOneIsHere(root: string): boolean {
  return isThere(root, '/run/systemd/private') === true || isThere(root, '/run/systemd/notify') === true
}

async function unitFiles(
  { root, signal }: ProbeContext,
  program: string,
): Promise<{ readonly names: readonly string[]; readonly attributes: readonly PostureAttribute[] }> {
  const run = await runProgram(root, program, ['list-unit-files', ...PLAIN], signal)
  if (!run.ok) return { names: [], attributes: [notCollected('unit', run.reason)] }
  if (run.value.exitCode !== 0) return { names: [], attributes: [failed('unit', complaint(run.value))] }
  const states = parseUnitFiles(run.value.stdout)
  return {
    names: [...states.keys()],
    attributes: [...states].map(([name, state]) => exists(`unit.${name}.enabled`, state)),
  }
}

/** Unit file, state and, since systemd 242, preset. */
export function parseUnitFiles(text: string): ReadonlyMap<string, string> {
  const states = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [name, state] = line.trim().split(/\s+/)
    if (name && state) states.set(name, state)
  }
  return states
}

async function unitStates({ root, signal }: ProbeContext, program: string): Promise<readonly UnitState[] | string> {
  const run = await runProgram(root, program, ['list-units', '--all', `--type=${TYPES}`, ...PLAIN], signal)
  if (!run.ok) return run.reason
  return run.value.exitCode === 0 ? parseUnits(run.value.stdout) : complaint(run.value)
}

/** Unit, load, active, sub, description; units that others name but that have no file are left out. */
export function parseUnits(text: string): UnitState[] {
  return text.split('\n').flatMap((line) => {
    // A failed unit is marked with a dot even in plain output of some versions.
    const [name, load, active, sub] = line.replace(/^[\s\u25cf*]+/u, '').split(/\s+/)
    return name && load && active && sub && load !== 'not-found' ? [{ name, load, active, sub }] : []
  })
}

/** @param states  or why they could not be had */
function stateAttributes(states: readonly UnitState[] | string, names: readonly string[]): PostureAttribute[] {
  if (typeof states !== 'string') {
    return states.flatMap(({ name, active, sub }) => [
      exists(`unit.${name}.active`, active),
      exists(`unit.${name}.sub`, sub),
    ])
  }
  const known = names.filter((name) => TYPES.split(',').includes(name.slice(name.lastIndexOf('.') + 1)))
  return [
    notCollected('unit.state', states),
    ...known.flatMap((name) => [notCollected(`unit.${name}.active`, states), notCollected(`unit.${name}.sub`, states)]),
  ]
}
