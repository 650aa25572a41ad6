/** What starts services where systemd does not: the name of process 1, OpenRC's run levels, System V links. */

import type { PostureAttribute, Probe } from '../probe.ts'
import { exists, failed } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { list, readText } from './host/files.ts'

const RUNLEVELS = '/etc/runlevels'
const SYSV_LEVELS = ['S', '2', '3', '4', '5']

export const init: Probe = defineProbe('init', ['init.', 'openrc.', 'sysv.'], ({ root }) => {
  const comm = readText(root, '/proc/1/comm')
  const name = 'init.name'
  return [
    comm.ok ? exists(name, comm.value.replace(/\n$/, '')) : failed(name, comm.reason),
    ...openrc(root),
    ...sysv(root),
  ]
})

/** A link per service in each level's folder. openrc-run(8), rc-update(8). */
function openrc(root: string): PostureAttribute[] {
  const levels = list(root, RUNLEVELS)
  if (!levels.ok) return levels.code === 'ENOENT' ? [] : [failed('openrc', levels.reason)]
  const attributes: PostureAttribute[] = []
  const byService = new Map<string, string[]>()
  for (const level of levels.value) {
    const services = list(root, `${RUNLEVELS}/${level.name}`)
    if (!services.ok) attributes.push(failed(`openrc.${level.name}`, services.reason))
    for (const { name } of services.ok ? services.value : []) {
      byService.set(name, [...(byService.get(name) ?? []), level.name])
    }
  }
  for (const [service, names] of byService) attributes.push(exists(`openrc.${service}.runlevels`, names.join(',')))
  return attributes
}

/** `S20ssh` in /etc/rc2.d starts `ssh` in level 2. */
function sysv(root: string): PostureAttribute[] {
  const attributes: PostureAttribute[] = []
  const byScript = new Map<string, string[]>()
  for (const level of SYSV_LEVELS) {
    const links = list(root, `/etc/rc${level}.d`)
    if (!links.ok && links.code !== 'ENOENT') attributes.push(failed(`sysv.rc${level}`, links.reason))
    for (const { name } of links.ok ? links.value : []) {
      const script = /^S\d\d(.+)$/.exec(name)?.[1]
      if (script) byScript.set(script, [...new Set([...(byScript.get(script) ?? []), level])])
    }
  }
  for (const [script, levels] of byScript) attributes.push(exists(`sysv.${script}.start`, levels.sort().join(',')))
  return attributes
}
