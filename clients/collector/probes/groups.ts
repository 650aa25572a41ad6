/** Local groups and their additional members. group(5). Users whose primary group it is are found by `user.*.gid`. */

import type { PostureAttribute, Probe } from '../probe.ts'
import { parseEntries } from './host/account-files.ts'
import { exists, failed, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { readText } from './host/files.ts'

export const groups: Probe = defineProbe('groups', ['group.', 'group-file.'], ({ root }) => {
  const text = readText(root, '/etc/group')
  return text.ok ? groupAttributes(text.value) : [failed('group', text.reason)]
})

export function groupAttributes(text: string): PostureAttribute[] {
  return parseEntries(text, 4, [2]).flatMap((entry) => {
    if (!entry.ok) return [failed(`group-file.line.${entry.line}`, `/etc/group ${entry.reason}`)]
    const [, , gid = '', members = ''] = entry.fields
    const sorted = [
      ...new Set(
        members
          .split(',')
          .map((member) => member.trim())
          .filter(Boolean),
      ),
    ].sort()
    return [scalar(`group.${entry.label}.gid`, gid), exists(`group.${entry.label}.members`, sorted.join(','))]
  })
}
